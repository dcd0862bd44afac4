'use strict';

// Cuatro parámetros: así reconoce Express a un manejador de errores.
// eslint-disable-next-line no-unused-vars
module.exports = function errorHandler(err, req, res, next) {
  const status = err.status ?? 500;
  if (status >= 500) console.error(`${req.method} ${req.path}: ${err.stack}`);
  res.status(status).json({
    error: {
      code: err.code ?? 'INTERNAL_ERROR',
      message: status >= 500 && err.name !== 'QueryNotFoundError' ? 'Error interno' : err.message,
      ...(err.details ? { details: err.details } : {}),
      requestId: req.id,
    },
  });
};
