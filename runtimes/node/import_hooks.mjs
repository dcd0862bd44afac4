// Resolve hooks for Node 18 and 20 (index.cjs registers them): `import` of a bare name also looks where NODE_PATH points, so
// that packages of layers in /opt/nodejs are found by ES modules as they are by `require`.
import { pathToFileURL } from 'node:url';
import { dirname } from 'node:path';

let folders = [];

export function initialize(data) {
  folders = data.folders;
}

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || /^[./]|^[a-z][a-z0-9+.-]+:/i.test(specifier)) throw error;
    for (const folder of folders) {
      try {
        return await next(specifier, { ...context, parentURL: pathToFileURL(`${dirname(folder)}/savia-import.mjs`).href });
      } catch {
        // not in this one
      }
    }
    throw error;
  }
}
