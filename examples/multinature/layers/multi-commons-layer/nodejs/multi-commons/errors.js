'use strict';

/** Error con código HTTP: el middleware lo convierte en la respuesta { error: { code, message } }. */
class HttpError extends Error {
  constructor(status, code, message, details) {
    super(message);
    this.name = this.constructor.name;
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

class NotFoundError extends HttpError {
  constructor(message) {
    super(404, 'NOT_FOUND', message);
  }
}

class ValidationError extends HttpError {
  constructor(message, details) {
    super(422, 'VALIDATION_ERROR', message, details);
  }
}

module.exports = { HttpError, NotFoundError, ValidationError };
