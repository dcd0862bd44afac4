'use strict';
// Loaded by waiting runtimes so that the first module of a function does not pay for the loader's own first use.
module.exports = true;
