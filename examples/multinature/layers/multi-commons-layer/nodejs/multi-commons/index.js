'use strict';

module.exports = {
  ...require('./app'),
  ...require('./errors'),
  ...require('./env'),
  requestId: require('./middleware/request-id'),
  errorHandler: require('./middleware/error-handler'),
};
