{{- define "acquit.name" -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- end }}
{{- define "acquit.selector" -}}
app.kubernetes.io/name: acquit
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "acquit.labels" -}}
{{ include "acquit.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- /* The configuration: what the chart knows goes over what the values say. */}}
{{- define "acquit.config" -}}
{{- $mounted := dict
  "data_dir" "/var/lib/acquit" "grpc_addr" "0.0.0.0:7400" "http_addr" "0.0.0.0:7401" "ops_addr" "0.0.0.0:7402"
  "drain_timeout" (printf "%ds" (int .Values.drainSeconds))
  "tls" (dict "cert" "/etc/acquit/tls/tls.crt" "key" "/etc/acquit/tls/tls.key" "client_ca" "/etc/acquit/tls/ca.crt")
  "ledger" (dict "etcd" (dict "endpoints" .Values.etcd.endpoints
    "tls" (dict "ca" "/etc/acquit/etcd/ca.crt" "cert" "/etc/acquit/etcd/tls.crt" "key" "/etc/acquit/etcd/tls.key")))
  "keys" (dict "secret" "file:/run/secrets/acquit-keys/keyring") }}
{{- mergeOverwrite (deepCopy .Values.config) $mounted | toYaml }}
{{- end }}
