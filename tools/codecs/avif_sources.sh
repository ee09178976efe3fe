#!/bin/sh
# Makes avif_sources.tar.xz: of upstream's releases what a decoder is compiled from. No registry keeps
# these versions for good: cargo's newest are libavif 1.0.4 and dav1d 1.4.3, and Debian's archive has
# the newest alone. With deb-src lines of Debian unstable:
#
#     apt-get source --download-only libavif=1.4.2-1 dav1d=1.5.4-1
#     sh tools/codecs/avif_sources.sh
#
# Debian's .orig archives are upstream's own: libavif's tag v1.4.2, and VideoLAN's signed release.
set -eu
sha256sum --check <<'SUMS'
2b645287340ba5a631d268b551dc2d72bd73ac33335962dd36dcdb6d8366921d  libavif_1.4.2.orig.tar.gz
686616b7c69eb88d44459391ab25cac13b6647a3b288835c5784e71c1514a5c5  dav1d_1.5.4.orig.tar.xz
SUMS
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/avif"
tar -C "$folder/avif" -xf libavif_1.4.2.orig.tar.gz --wildcards --no-wildcards-match-slash \
  '*/LICENSE' '*/include/avif/*.h' '*/src/*.c' '*/third_party/libyuv/*'
tar -C "$folder/avif" -xf dav1d_1.5.4.orig.tar.xz --wildcards --no-wildcards-match-slash \
  '*-1.5.4/COPYING' '*-1.5.4/meson.build' '*/doc/PATENTS' '*/include/common/*.h' \
  '*/include/dav1d/*.h' '*/src/*.c' '*/src/*.h'
# The encoders, and adapters to decoders and converters that are not compiled.
cd "$folder/avif/libavif-1.4.2/src"
rm codec_a*.c codec_libgav1.c codec_rav1e.c codec_svt.c reformat_libyuv.c write.c
cd - >/dev/null
tar -C "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mtime=2026-01-01 -cf - avif |
  xz -9e >"$(dirname "$0")/avif_sources.tar.xz"
