/* What weir-control wrote into index.html. */

function meta(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? '';
}

const base = meta('weir-base');

/* Path that the web admin stands under, with a slash at both ends. */
export const basePath = base.startsWith('/') ? (base.endsWith('/') ? base : `${base}/`) : '/';

/* For the style elements that Mantine makes, so that the content security policy lets them in. */
export function styleNonce(): string {
  return meta('weir-nonce');
}
