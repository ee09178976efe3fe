#!/usr/bin/env bash
# Writes beside the version of each image the digest that its registry has for it now, or anew. Run it
# where the registries can be reached; it needs skopeo. Commit what it writes.
set -euo pipefail
cd "$(dirname "$0")/.."

files=(deploy/Containerfile .github/workflows/*.yml)
# The name and version of each image, without a digest that is there already.
images=$(sed -nE 's/^(FROM| *container:) +([^ @#]+:[^ @#]+).*/\2/p' "${files[@]}" | sort -u)

edits=()
for image in $images; do
  digest=$(skopeo inspect --format '{{.Digest}}' "docker://$image")
  if ! [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
    echo "$image: expected a digest, found \"$digest\"" >&2
    exit 1
  fi
  echo "$image@$digest"
  edits+=(-e "s|${image//./\\.}(@sha256:[0-9a-f]+)?( .*)?$|$image@$digest\2|")
done
sed -i -E "${edits[@]}" "${files[@]}"
