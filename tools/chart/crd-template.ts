/** A custom resource definition as a template of the chart: it may be left out, and it stays when the release is removed. Pure. */

/** @param yaml Text of the definition. */
export function crdTemplate(yaml: string): string {
  // Text of a schema may hold what Helm takes for its own: such a piece is written as a string of the template language.
  const escaped = yaml.replace(/\{\{|\}\}/g, '{{ `$&` }}')
  const kept = escaped.replace(/^metadata:\n/m, 'metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n')
  return `{{- if .Values.crds.install }}\n${kept}{{- end }}\n`
}
