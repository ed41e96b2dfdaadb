#!/bin/sh
# Fetches a file while the image is built, and keeps it only if it is the one that was meant.
# Usage: download URL FILE AMD64_SHA256 ARM64_SHA256

set -eu

arch=$(dpkg --print-architecture)
case $arch in
amd64) sum=$3 ;;
arm64) sum=$4 ;;
*)
  echo "download: there is no checksum for $arch" >&2
  exit 1
  ;;
esac

curl --fail --silent --show-error --location --proto '=https' --retry 3 --output "$2" "$1"
printf '%s  %s\n' "$sum" "$2" | sha256sum -c - || {
  echo "download: $1 is not the file whose checksum was given" >&2
  rm -f "$2"
  exit 1
}
