'use strict';

/** Lee una variable de entorno obligatoria. Falla al arrancar, con su nombre, y no a media petición. */
function requireEnv(name) {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`Falta la variable de entorno ${name}`);
  return value;
}

module.exports = { requireEnv };
