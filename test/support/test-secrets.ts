/** Secrets of the tests, and of nothing else: fixed, so that a failure repeats. */
export const TEST_SECRETS = {
  ADMIN_TOKEN: 'kst_T3stAdm1nT0kenF0rThe5uiteOnly9w8e7r',
  ENCRYPTION_KEY: '1:q83vEjRWeJCrze8SNFZ4kP7cuph2VDIQD/Hjxbe1k9E=',
  HMAC_SECRET: '1:Y2hpbWVyYS1vZi10ZXN0cy4uLrtPnIbA8xJ31GqZ5lU=',
  /** The tests provoke so many requests that their lines would bury a failure's own output. */
  LOG_LEVEL: 'error',
};
