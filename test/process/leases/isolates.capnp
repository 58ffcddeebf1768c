# Several isolates on one machine: Worker services of the same bundle that share the objects of the first service, as
# many machines do on Cloudflare. A runtime runs each service in an isolate of its own, with its own leases.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "second", worker = .edge),
    (name = "third", worker = .edge),
    (name = "fourth", worker = .edge),
    (name = "data", disk = (path = ".", writable = true)),
  ],
  sockets = [
    (name = "first", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "second", address = "127.0.0.1:0", http = (), service = "second"),
    (name = "third", address = "127.0.0.1:0", http = (), service = "third"),
    (name = "fourth", address = "127.0.0.1:0", http = (), service = "fourth"),
  ],
);

const main :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "../../../dist/index.js")],
  compatibilityDate = "2026-10-01",
  bindings = [
    (name = "ADMIN_TOKEN", fromEnvironment = "ADMIN_TOKEN"),
    (name = "ENCRYPTION_KEY", fromEnvironment = "ENCRYPTION_KEY"),
    (name = "HMAC_SECRET", fromEnvironment = "HMAC_SECRET"),
    (name = "LOG_LEVEL", text = "error"),
    (name = "TENANTS", durableObjectNamespace = "Tenant"),
    (name = "DIRECTORY", durableObjectNamespace = "Directory"),
  ],
  durableObjectNamespaces = [
    (className = "Tenant", uniqueKey = "keystead-tenant", enableSql = true),
    (className = "Directory", uniqueKey = "keystead-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "data"),
);

const edge :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "../../../dist/index.js")],
  compatibilityDate = "2026-10-01",
  bindings = [
    (name = "ADMIN_TOKEN", fromEnvironment = "ADMIN_TOKEN"),
    (name = "ENCRYPTION_KEY", fromEnvironment = "ENCRYPTION_KEY"),
    (name = "HMAC_SECRET", fromEnvironment = "HMAC_SECRET"),
    (name = "LOG_LEVEL", text = "error"),
    (name = "TENANTS", durableObjectNamespace = (className = "Tenant", serviceName = "main")),
    (name = "DIRECTORY", durableObjectNamespace = (className = "Directory", serviceName = "main")),
  ],
);
