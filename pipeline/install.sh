#!/usr/bin/env bash
# Installs by Debian package name what is missing to build atomloc (and, with --tests, to test it).
# Touches nothing, and needs neither network nor root, when everything is there.
set -euo pipefail

build_packages=(
    libfftw3-dev libgsl-dev libtiff-dev libhdf5-dev libopenblas-dev libinih-dev
    libpng-dev zlib1g-dev libyaml-dev libxxhash-dev libcairo2-dev fonts-dejavu-core
)
# Programs count as present when they are found, however they came here.
build_programs=(gcc:gcc g++:g++ make:make cmake:cmake ninja:ninja-build pkg-config:pkg-config)
# The tests read the outputs with the programs that users read them with.
test_packages=(libcmocka-dev python3-pandas python3-tables python3-h5py python3-yaml python3-tifffile)
test_programs=(python3:python3)

case "${1:-}" in
"") ;;
--tests)
    build_packages+=("${test_packages[@]}")
    build_programs+=("${test_programs[@]}")
    ;;
*)
    echo "usage: install.sh [--tests]" >&2
    exit 2
    ;;
esac

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null; then
    echo "install.sh: this is not Debian or Ubuntu. Install by hand what has these names there:" >&2
    echo "    ${build_packages[*]} ${build_programs[*]#*:}" >&2
    exit 1
fi

missing=()
for program in "${build_programs[@]}"; do
    command -v "${program%%:*}" >/dev/null || missing+=("${program#*:}")
done
for package in "${build_packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then
    echo "install: every package is there"
    exit 0
fi

echo "install: missing are ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install: root is needed for: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

install_missing() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"
}

# The package lists may be old or not there: fetch them only when apt cannot do without.
if ! install_missing; then
    echo "install: apt-get update, then again"
    "${as_root[@]}" apt-get update
    install_missing
fi
echo "install: done"
