'use strict';

const express = require('express');
const serverless = require('serverless-http');
const requestId = require('./middleware/request-id');
const errorHandler = require('./middleware/error-handler');
const { NotFoundError } = require('./errors');

/** Una aplicación de Express con lo que toda API de Multinature lleva; `routes(router)` pone lo propio. */
function createApp(routes) {
  const app = express();
  app.disable('x-powered-by');
  app.use(requestId);
  app.use(express.json({ limit: '1mb' }));
  const router = express.Router();
  routes(router);
  app.use(router);
  app.use((req, _res, next) => next(new NotFoundError(`No existe ${req.method} ${req.path}`)));
  app.use(errorHandler);
  return app;
}

/** El handler de Lambda de una aplicación de Express: recibe el evento de API Gateway y devuelve su respuesta. */
const createHandler = (app) => serverless(app);

module.exports = { createApp, createHandler };
