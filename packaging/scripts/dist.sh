#!/bin/sh
# Builds what is released, into dist/: a static binary and an archive for each machine, packages, a
# list of what is inside, checksums. `dist.sh TARGET...` builds some alone; NO_BUILD=1 takes binaries
# that are there.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=packaging/scripts/targets.sh
. "$(dirname "$0")/targets.sh"

VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

need_toolchain
need file file 'says what a binary is'
need readelf binutils 'looks into binaries'
mkdir -p dist

# pack ARCH: the archive that packaging/install.sh takes.
pack() {
    name=narthex-linux-$1
    rm -rf "dist/$name"
    mkdir -p "dist/$name"
    cp "dist/$name.bin" "dist/$name/narthex"
    cp LICENSE CHANGELOG.md packaging/config/narthex.yml packaging/man/narthex.1 \
        packaging/man/narthex.yml.5 packaging/systemd/narthex.service \
        packaging/systemd/socket/narthex.socket packaging/alerts/narthex.rules.yml \
        packaging/dashboards/narthex.json "dist/$name"
    cp packaging/openrc/narthex "dist/$name/narthex.openrc"
    cp -r packaging/completions packaging/systemd/drop-ins "dist/$name"
    # The same bytes whoever packs it, and whenever.
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        -C dist -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
    rm -rf "dist/$name"
    mv "dist/$name.bin" "dist/$name"
}

# packages TARGET: deb and rpm of a binary that was built.
packages() {
    target=$1
    tool cargo-deb 3.8.0 'makes the deb'
    tool cargo-generate-rpm 0.21.1 'makes the rpm'
    # Both look for the binary in the folder of builds.
    cargo deb --quiet --no-build --no-strip --target "$target" --output dist/
    cargo generate-rpm --target "$target" --arch "$(rpm_arch_of "$target")" --output dist/ \
        --source-date "$SOURCE_DATE_EPOCH"
}

# inside FILE: the crates of the program as CycloneDX lists them. The tool goes by what cargo might build;
# what is only for development, or behind a feature that is off, is taken out.
inside() {
    tool cargo-cyclonedx 0.5.9 'lists what is inside'
    need python3 python3 'takes crates of development out of the list of what is inside'
    cargo cyclonedx --quiet --format json --spec-version 1.5 --override-filename narthex.cdx \
        --target x86_64-unknown-linux-musl --no-build-deps
    linked x86_64-unknown-linux-musl | python3 -c '
import json, sys
linked = set(sys.stdin.read().splitlines())
listed = json.load(open("narthex.cdx.json"))
crates = [c for c in listed["components"] if c["name"] + " " + c["version"] in linked]
kept = {c["bom-ref"] for c in crates} | {listed["metadata"]["component"]["bom-ref"]}
listed["components"] = crates
listed["dependencies"] = [d for d in listed["dependencies"] if d["ref"] in kept]
for own in listed["dependencies"]:
    if "dependsOn" in own:
        own["dependsOn"] = [ref for ref in own["dependsOn"] if ref in kept]
json.dump(listed, sys.stdout, indent=2)' |
        # Without the folder of this build: it would differ from machine to machine.
        sed "s|file://$ROOT|file:///narthex|g" >"$1"
    rm narthex.cdx.json
}

[ $# -gt 0 ] || {
    # shellcheck disable=SC2086
    set -- $TARGETS
}
for target in "$@"; do
    arch=$(arch_of "$target")
    if [ -n "${NO_BUILD:-}" ]; then
        binary=target/$target/release/narthex
    else
        binary=$(build_target "$target" target)
    fi
    check_binary "$binary"
    cp "$binary" "dist/narthex-linux-$arch.bin"
    build_environment "$target"
    pack "$arch"
    packages "$target"
done

say 'what is inside'
inside dist/narthex.cdx.json

cp packaging/install.sh dist/
(cd dist && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS)
say "narthex $VERSION is in dist/"
cat dist/SHA256SUMS
