'use strict';

const { randomUUID } = require('node:crypto');

// El mismo identificador desde API Gateway hasta el log: así una petición se sigue de principio a fin.
module.exports = function requestId(req, res, next) {
  req.id = req.apiGateway?.event?.requestContext?.requestId ?? req.get('x-request-id') ?? randomUUID();
  res.set('x-request-id', req.id);
  next();
};
