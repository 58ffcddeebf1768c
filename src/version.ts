/** The version of the program, as package.json says it. The bundler takes this one member of it and no other. */
export { version as VERSION } from '../package.json';
