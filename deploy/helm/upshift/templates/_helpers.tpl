{{- define "upshift.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-upshift" .Release.Name) (contains "upshift" .Release.Name) -}}
{{- .Values.fullnameOverride | default ($name | replace "." "-" | trunc 50 | trimSuffix "-") -}}
{{- end -}}

{{/* Of the three programs: what a pod is called by app.kubernetes.io/name is also its service.name. */}}
{{- define "upshift.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "upshift.labels" -}}
{{ include "upshift.selector" . }}
app.kubernetes.io/part-of: upshift
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end -}}

{{- define "upshift.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- .image.repository }}{{ ternary "@" ":" (hasPrefix "sha256:" $tag) }}{{ $tag -}}
{{- end -}}

{{- define "upshift.tokens" -}}
{{- .Values.tokens.existingSecret | default (printf "%s-tokens" (include "upshift.fullname" .)) -}}
{{- end -}}

{{- define "upshift.signs" -}}
{{- if or .Values.signing.existingSecret .Values.signing.create }}yes{{ end -}}
{{- end -}}

{{- define "upshift.signing" -}}
{{- .Values.signing.existingSecret | default (printf "%s-signing" (include "upshift.fullname" .)) -}}
{{- end -}}

{{/* The key of the first token of a role. */}}
{{- define "upshift.keyOf" -}}
{{- $found := "" -}}
{{- range .root.Values.tokens.list -}}
{{- if and (not $found) (eq .role $.role) }}{{ $found = .key }}{{ end -}}
{{- end -}}
{{- $found | required (printf "%s needs a token of role %s in tokens.list" .for .role) -}}
{{- end -}}

{{/* Where Redis is, for the environment. key: of the Secret, whose user it is. */}}
{{- define "upshift.redis" -}}
- name: UPSHIFT_REDIS_URL
{{- if or .root.Values.redis.existingSecret .root.Values.valkey.enabled }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.redis.existingSecret | default (printf "%s-valkey" (include "upshift.fullname" .root)) }}
      key: {{ .key }}
{{- else }}
  value: {{ .root.Values.redis.url | quote }}
{{- end }}
{{- end -}}

{{/* upshift.yaml and agent.yaml: what is the chart's, and what the user's. */}}
{{- define "upshift.config" -}}
{{- $config := deepCopy .config -}}
{{- range $key, $use := .ours -}}
{{- if hasKey $config $key -}}
{{- fail (printf "%s.config.%s is set by the chart: use %s" $.of $key $use) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "namespace" .root.Values.redis.namespace -}}
{{- if include "upshift.signs" .root }}{{ $_ := set $config "secret_file" "signing/secret" }}{{ end -}}
{{- toYaml (merge $config .adds) -}}
{{- end -}}

{{- define "upshift.controllerConfig" -}}
{{- $tokens := list -}}
{{- range .Values.tokens.list -}}
{{- $tokens = append $tokens (dict "name" .name "role" .role "file" (printf "tokens/%s" .key)) -}}
{{- end -}}
{{- include "upshift.config" (dict "root" . "of" "controller" "config" .Values.controller.config
    "ours" (dict "listen" "controller.service" "redis" "redis.url or redis.existingSecret" "data" "redis"
      "namespace" "redis.namespace" "tokens" "tokens" "secret_file" "signing")
    "adds" (dict "listen" ":9095" "tokens" $tokens)) -}}
{{- end -}}

{{- define "upshift.hostConfig" -}}
{{- $adds := dict -}}
{{- if .Values.hostAgent.metrics.enabled -}}
{{- $adds = dict "metrics" (printf "0.0.0.0:%v" .Values.hostAgent.metrics.port) -}}
{{- end -}}
{{- include "upshift.config" (dict "root" . "of" "hostAgent" "config" .Values.hostAgent.config
    "ours" (dict "redis" "redis.url or redis.existingSecret" "namespace" "redis.namespace"
      "node" "nothing, it is the node's own name" "secret_file" "signing" "metrics" "hostAgent.metrics")
    "adds" $adds) -}}
{{- end -}}

{{/* /etc/upshift: the file, and beside it what it names. */}}
{{- define "upshift.etc" -}}
- name: etc
  projected:
    defaultMode: 0440
    sources:
      - configMap: {name: {{ .config }}}
      {{- if .tokens }}
      - secret:
          name: {{ include "upshift.tokens" .root }}
          items:
            {{- range .root.Values.tokens.list }}
            - {key: {{ .key }}, path: tokens/{{ .key }}}
            {{- end }}
      {{- end }}
      {{- if include "upshift.signs" .root }}
      - secret:
          name: {{ include "upshift.signing" .root }}
          items: [{key: secret, path: signing/secret}]
      {{- end }}
{{- range $place, $name := .secrets }}
- name: secret-{{ $place }}
  secret: {secretName: {{ $name }}, defaultMode: 0440}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{- define "upshift.etcMounts" -}}
- {name: etc, mountPath: /etc/upshift, readOnly: true}
{{- range $place, $name := .secrets }}
- {name: secret-{{ $place }}, mountPath: /etc/upshift-secrets/{{ $name }}, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* What Pod Security calls restricted. */}}
{{- define "upshift.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* A secret of ours that was made before, or else a new one. */}}
{{- define "upshift.kept" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- with (dig "data" .key "" (default dict $there)) }}{{ . | b64dec }}{{ else }}{{ randAlphaNum 48 }}{{ end -}}
{{- end -}}
