{{/*
Names are fixed, because one namespace holds one array: the operator makes Secrets by these names, and certificates have them.
A part is a dict of root, component and, for pods, values.
*/}}

{{- define "twinpost.selector" -}}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: twinpost-{{ .component }}
{{- end }}

{{- define "twinpost.podLabels" -}}
{{ include "twinpost.selector" . }}
app.kubernetes.io/name: twinpost
{{- with .root.Values.extraPodLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "twinpost.labels" -}}
{{ include "twinpost.selector" . }}
app.kubernetes.io/name: twinpost
app.kubernetes.io/part-of: twinpost
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Metadata of an object of a component, without its name's prefix; `name` is what comes after twinpost-. */}}
{{- define "twinpost.metadata" -}}
name: twinpost-{{ .name | default .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "twinpost.labels" . | nindent 2 }}
{{- end }}

{{/* What mail needs outlives the release: nobody's mail stops because an administrator changes tools. */}}
{{- define "twinpost.kept" -}}
{{- if .Values.keep -}}
helm.sh/resource-policy: keep
{{- end }}
{{- end }}

{{- define "twinpost.image" -}}
{{- $image := .image -}}
{{- $name := $image.repository -}}
{{- if .root.Values.global.imageRegistry }}{{ $name = printf "%s/%s" .root.Values.global.imageRegistry $name }}{{ end -}}
{{- if $image.digest }}{{ printf "%s@%s" $name $image.digest }}{{ else }}{{ printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) }}{{ end -}}
{{- end }}

{{/* Everything of a pod but its containers and volumes: "restricted" of the Pod Security Standards, spread over nodes and zones. */}}
{{- define "twinpost.podSpec" -}}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false # variables of a Service twinpost-nats would be taken for settings
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- $own := dict "runAsNonRoot" true "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") }}
  {{- toYaml (mergeOverwrite $own (deepCopy .root.Values.podSecurityContext)) | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .values.tolerations .alone }}
tolerations:
  {{- with .values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if .alone }}
  # There is one of it: it leaves a node that is gone after half a minute and not after five.
  - { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30 }
  - { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30 }
  {{- end }}
{{- end }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "twinpost.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{- define "twinpost.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Probes of our own processes, as the operator gives them to the mail pods. */}}
{{- define "twinpost.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: metrics }
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: { path: /livez, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Volumes are owned by nobody: neither the release nor the StatefulSet takes them away. */}}
{{- define "twinpost.volumeClaims" -}}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: Retain
  whenScaled: Retain
volumeClaimTemplates:
  - metadata:
      name: data
      labels:
        {{- include "twinpost.selector" . | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .values.storage.className }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .values.storage.size }}
{{- end }}

{{- define "twinpost.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "twinpost.metadata" . | nindent 2 }}
  {{- with .annotations }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "twinpost.selector" . | nindent 6 }}
{{- end }}

{{- define "twinpost.directoryUrl" -}}
{{- .Values.directory.url | default (printf "ldaps://twinpost-directory.%s.svc:3636" .Release.Namespace) -}}
{{- end }}

{{- define "twinpost.directoryWriterUrl" -}}
{{- .Values.directory.url | default (printf "ldaps://twinpost-directory-writer.%s.svc:3636" .Release.Namespace) -}}
{{- end }}

{{- define "twinpost.natsUrl" -}}
{{- .Values.nats.url | default (printf "tls://twinpost-nats.%s.svc:4222" .Release.Namespace) -}}
{{- end }}

{{/* A quantity in bytes. */}}
{{- define "twinpost.bytes" -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" . | float64 -}}
{{- $unit := regexFind "[A-Za-z]*$" . -}}
{{- $factors := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf $number (get $factors $unit) | int64 -}}
{{- end }}

{{/* Servers of one's own whose certificates the array's authority did not sign, as JSON. */}}
{{- define "twinpost.otherAuthorities" -}}
{{- $servers := list -}}
{{- range list "directory" "nats" -}}
{{- $server := get $.Values . -}}
{{- if and $server.url (eq $server.authority "credentials") }}{{ $servers = append $servers . }}{{ end -}}
{{- end -}}
{{- toJson $servers -}}
{{- end }}
