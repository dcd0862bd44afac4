'use strict';

// Punto de acceso a los datos: las APIs piden una consulta por su nombre y nunca escriben SQL.
// Por ahora las consultas responden desde un conjunto de datos incluido en la layer; cuando la base de datos
// esté detrás, cambia este archivo y no las APIs.

const queries = {
  ...require('./queries/recipes'),
  ...require('./queries/categories'),
  ...require('./queries/allergens'),
};

class QueryNotFoundError extends Error {
  constructor(name) {
    super(`Query not found: ${name}`);
    this.name = 'QueryNotFoundError';
    this.query = name;
  }
}

/** Ejecuta una consulta por nombre. Rechaza con QueryNotFoundError si esta versión de la layer no la tiene. */
async function query(name, params = {}) {
  const run = queries[name];
  if (!run) throw new QueryNotFoundError(name);
  return run(params);
}

module.exports = { query, QueryNotFoundError, names: Object.keys(queries), version: require('./package.json').version };
