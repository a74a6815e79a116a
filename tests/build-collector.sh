#!/bin/sh
# The OpenTelemetry Collector with its eBPF profiler, built from source once, into a cache outside the
# repository: $UPSHIFT_PARTS, else ~/.cache/upshift/parts. Without Go it says so, and its tests are
# left out.
set -eu

parts=${UPSHIFT_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/upshift/parts}
collector=v0.159.0
stable=v1.65.0  # the same release of what is stable
profiler=v0.0.202633

program=$parts/otelcol-$collector
if [ -x "$program" ]; then
    echo "There: OpenTelemetry Collector $collector, $program"
    exit
fi
if ! command -v go >/dev/null; then
    echo "Not there: Go, to build the OpenTelemetry Collector. Its tests are left out." >&2
    exit
fi
echo "Building: OpenTelemetry Collector $collector, once, into $parts; some 3 minutes, 38 MB."
mkdir -p "$parts"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GOBIN=$work/bin go install "go.opentelemetry.io/collector/cmd/builder@$collector"

core=go.opentelemetry.io/collector
cat >"$work/manifest.yaml" <<END
dist: {module: upshift/otelcol, name: otelcol, version: ${collector#v}, output_path: $work/sources}
receivers:
  - {gomod: go.opentelemetry.io/ebpf-profiler $profiler, import: go.opentelemetry.io/ebpf-profiler/collector}
processors: [{gomod: $core/processor/batchprocessor $collector}]
exporters: [{gomod: $core/exporter/debugexporter $collector}, {gomod: $core/exporter/nopexporter $collector}]
providers:
  - {gomod: $core/confmap/provider/envprovider $stable}
  - {gomod: $core/confmap/provider/fileprovider $stable}
  - {gomod: $core/confmap/provider/yamlprovider $stable}
END
"$work/bin/builder" --config "$work/manifest.yaml" --skip-get-modules --skip-compilation
cd "$work/sources"
# The builder's own `go mod tidy` asks for modules that only tests of tests need.
go mod init upshift/otelcol 2>/dev/null
for module in component confmap exporter extension processor receiver \
    confmap/provider/envprovider confmap/provider/fileprovider confmap/provider/yamlprovider; do
    go mod edit -require "$core/$module@$stable"
done
for module in connector otelcol service exporter/debugexporter exporter/nopexporter processor/batchprocessor; do
    go mod edit -require "$core/$module@$collector"
done
go mod edit -require "go.opentelemetry.io/ebpf-profiler@$profiler"
go build -mod=mod -trimpath -ldflags='-s -w' -o "$program.new" .
mv "$program.new" "$program"
echo "Built: $program"
