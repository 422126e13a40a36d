{{/* The name of everything: the release's own, with the chart's if it lacks that. */}}
{{- define "batch-tracker.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the pods, and nothing else. */}}
{{- define "batch-tracker.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "batch-tracker.labels" -}}
{{ include "batch-tracker.selector" . }}
{{ include "batch-tracker.about" . }}
{{- end }}

{{- define "batch-tracker.about" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The labels of the Job, which the Service must not take for a replica. */}}
{{- define "batch-tracker.migrateLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-migrate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "batch-tracker.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "batch-tracker.config" -}}
{{- .Values.config | default (.Files.Get (printf "files/%s.toml" .Values.storage)) }}
{{- end }}
