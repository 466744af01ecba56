"""JSON-RPC 2.0 over the node's Unix socket: methods, permissions, server and light client."""
