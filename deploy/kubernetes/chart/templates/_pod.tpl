{{/* What every pod is allowed: the restricted profile of the pod security standards. */}}
{{- define "batch-tracker.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "batch-tracker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where it may run, and from where the image comes. */}}
{{- define "batch-tracker.placement" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The pod that runs the daemon. */}}
{{- define "batch-tracker.pod" -}}
metadata:
  labels: {{- include "batch-tracker.selector" . | nindent 4 }}
  annotations:
    checksum/config: {{ include "batch-tracker.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- include "batch-tracker.placement" . | nindent 2 }}
  {{- with .Values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: 30
  {{- if eq .Values.storage "postgres" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "batch-tracker.selector" . | nindent 10 }}
  {{- end }}
  securityContext:
    {{- include "batch-tracker.podSecurity" . | nindent 4 }}
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
  containers:
    - name: batch-tracker
      image: {{ include "batch-tracker.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run]
      {{- if eq .Values.storage "postgres" }}
      env: # the name of the replica
        - name: BATCH_TRACKER_REPLICA
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
      {{- end }}
      envFrom:
        - secretRef:
            name: {{ .Values.secretName }}
      ports:
        - name: http
          containerPort: 9471
          protocol: TCP
      {{- if eq .Values.storage "postgres" }}
      lifecycle:
        preStop:
          exec:
            command: [sleep, "5"]
      {{- end }}
      startupProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 180
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 30
        timeoutSeconds: 10
        failureThreshold: 3
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 3
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext: {{- include "batch-tracker.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/batch-tracker
          readOnly: true
        - name: state
          mountPath: /var/lib/batch-tracker
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "batch-tracker.name" . }}
    {{- if eq .Values.storage "postgres" }}
    - name: state
      emptyDir:
        sizeLimit: 10Gi
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
