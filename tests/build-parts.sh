#!/bin/sh
# The real servers that no package has, built from source once, into a cache outside the repository:
# $UPSHIFT_PARTS, else ~/.cache/upshift/parts. Says what it has, and what it builds. Without Go it
# says so, and their tests are left out.
set -eu

parts=${UPSHIFT_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/upshift/parts}
parca=v0.28.0

if [ -x "$parts/parca-$parca" ]; then
    echo "There: Parca $parca, $parts/parca-$parca"
    exit
fi
if ! command -v go >/dev/null; then
    echo "Not there: Go 1.24 or newer, to build Parca $parca. Its test is left out." >&2
    exit
fi
echo "Building: Parca $parca, once, into $parts; some 6 minutes on two cores, 164 MB."
mkdir -p "$parts"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# A module of our own, since `go install` wants none of its `replace` directives.
go mod init upshift/parts 2>/dev/null
go get -tool "github.com/parca-dev/parca/cmd/parca@$parca"
go build -mod=mod -o "$parts/parca-$parca.new" github.com/parca-dev/parca/cmd/parca
mv "$parts/parca-$parca.new" "$parts/parca-$parca"
echo "Built: $parts/parca-$parca"
