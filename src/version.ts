/** The version of the program, from package.json. The bundler includes only this member of the file. */
export { version as VERSION } from '../package.json';
