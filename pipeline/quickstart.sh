#!/usr/bin/env bash
# From a fresh checkout to a first result: installs what is missing, builds, runs a whole small experiment
# (configs/quickstart.ini) and says where the results are. Can be repeated; works offline when the packages
# are there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n=== %s\n' "$*"; }

say "1/3  packages"
bash pipeline/install.sh

say "2/3  building into build/"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build

say "3/3  build/atomloc run configs/quickstart.ini"
started=$SECONDS
build/atomloc run configs/quickstart.ini
results=results/quickstart

say "finished in $((SECONDS - started)) s; the results are in $results/"
cat <<END
  movie.tif           the simulated microscope's movie: filaments with blinking dyes, 100 nm pixels
  movie_truth.px.csv  where the dyes really were
  model.h5            the atomic autoencoder that was trained on the movie alone; curve.png: its training
  locs.hdf5, .yaml    the localizations, for Picasso
  locs.csv            the same, for ThunderSTORM and ImageJ
  picture.png         the super-resolution picture: look at this first
  blocks.png          one frame: localizations (crosses) and truth (rings), reconstruction, single blocks
  scores.txt, .json   how well it did: Jaccard (share of emitters right), RMSE (error in nm), and controls
  resolved.ini        the complete configuration of this run

Your own movie:  build/atomloc localize movie.tif -o locs.hdf5 --set camera.pixel_size_nm=100
All commands:    build/atomloc --help
END
