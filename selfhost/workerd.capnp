# Keystead on open-source workerd, with the same bundle and the same objects as on Cloudflare. The launcher (start.ts)
# passes the address and the folders on the command line, which holds no secret. Secrets come through the environment,
# which only this user can read.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .keystead),
    (name = "data", disk = (path = ".keystead/objects", writable = true)),
    (name = "reserve", disk = (path = ".keystead/reserve")),
    # The destination of a Worker's own outgoing requests. Nothing here calls out, so nothing is allowed.
    (name = "internet", network = (allow = [])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);

const keystead :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "../dist/index.js")],
  # The same as in wrangler.toml; a test compares them.
  compatibilityDate = "2026-10-01",
  bindings = [
    (name = "ADMIN_TOKEN", fromEnvironment = "ADMIN_TOKEN"),
    (name = "ENCRYPTION_KEY", fromEnvironment = "ENCRYPTION_KEY"),
    (name = "HMAC_SECRET", fromEnvironment = "HMAC_SECRET"),
    (name = "LOG_LEVEL", fromEnvironment = "LOG_LEVEL"),
    (name = "DOCS", fromEnvironment = "DOCS"),
    (name = "TENANTS", durableObjectNamespace = "Tenant"),
    (name = "DIRECTORY", durableObjectNamespace = "Directory"),
    (name = "RESERVE", service = "reserve"),
  ],
  # The unique keys name the folders of the objects and are part of their ids. Never change one: all data would be out
  # of reach.
  durableObjectNamespaces = [
    (className = "Tenant", uniqueKey = "keystead-tenant", enableSql = true),
    (className = "Directory", uniqueKey = "keystead-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "data"),
);
