'use strict';
// The example's Express application as an HTTP server of its own: node express_direct.cjs API_FOLDER PORT, with the layers'
// node_modules in NODE_PATH.
const path = require('path');
const { app } = require(path.resolve(process.argv[2], 'src/index.js'));
app.listen(Number(process.argv[3]), '127.0.0.1');
