# The server with the memory that Cloudflare gives an isolate: 128 MB, here for the Worker and all objects together. The
# runtime ends when it needs more.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  v8Flags = ["--max-heap-size=128"],
  services = [
    (name = "main", worker = .main),
    (name = "data", disk = (path = ".", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
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
