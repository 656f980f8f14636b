/** Annotations by which builders tell the local cluster what a real one knows by itself. A real cluster ignores them. */

/** On a Service, `shared`: its name leads to the one address that all edges listen on together. */
export const SHARED_ADDRESS_ANNOTATION = 'twinpost.io/local-address'
/** On a Secret or ConfigMap, `rewrite`: mount paths inside its files become the folders behind them, as in settings. */
export const REWRITE_ANNOTATION = 'twinpost.io/local-paths'
