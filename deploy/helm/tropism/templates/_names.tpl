{{/* Names, labels, and what the kinds of pods have in common. */}}

{{- define "tropism.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tropism.select" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tropism.labels" -}}
{{ include "tropism.select" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tropism.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tropism.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tropism.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "tropism.secret" -}}
{{- default (printf "%s-urls" (include "tropism.fullname" .)) .Values.urls.existingSecret -}}
{{- end -}}

{{- define "tropism.configMap" -}}
{{- default (printf "%s-project" (include "tropism.fullname" .)) .Values.project.existingConfigMap -}}
{{- end -}}

{{- define "tropism.claim" -}}
{{- default (printf "%s-state" (include "tropism.fullname" .)) .Values.state.existingClaim -}}
{{- end -}}

{{/* Not empty if a stream's broker is known, or said to be. */}}
{{- define "tropism.consumes" -}}
{{- if or .Values.consumer.enabled .Values.consumer.streams -}}
yes
{{- else if not .Values.urls.existingSecret -}}
{{- range $name, $value := .Values.urls.values -}}
{{- if hasPrefix "TROPISM_STREAM_" $name -}}yes{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Environment of every container. The tables' URL is named by itself: a pod that lacks it must not start, as it
     would keep its tables in a file on the shared volume, where SQLite is not safe. */}}
{{- define "tropism.environment" -}}
envFrom:
  - secretRef:
      name: {{ include "tropism.secret" .root }}
env:
  - name: TROPISM_TABLES_URL
    valueFrom:
      secretKeyRef:
        name: {{ include "tropism.secret" .root }}
        key: TROPISM_TABLES_URL
{{- range $name, $value := .more }}
  - name: {{ $name }}
    value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "tropism.container" -}}
image: {{ include "tropism.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - name: project
    mountPath: /project
    readOnly: true
  - name: state
    mountPath: /var/lib/tropism
  - name: temporary
    mountPath: /tmp
{{- end -}}

{{/* What a pod's template says besides its containers. */}}
{{- define "tropism.pod" -}}
serviceAccountName: {{ include "tropism.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .process.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .process.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .process.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: project
    configMap:
      name: {{ include "tropism.configMap" .root }}
  - name: state
    persistentVolumeClaim:
      claimName: {{ include "tropism.claim" .root }}
  - name: temporary
    emptyDir:
      sizeLimit: 1Gi
{{- end -}}

{{/* Pods are replaced when what they read at their start has changed. */}}
{{- define "tropism.podAnnotations" -}}
checksum/project: {{ include (print .root.Template.BasePath "/project.yaml") .root | sha256sum }}
checksum/urls: {{ include (print .root.Template.BasePath "/urls.yaml") .root | sha256sum }}
{{- with .process.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}
