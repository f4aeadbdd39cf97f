"""Messages of gRPC services, made from the .proto files beside this one by scripts/protos."""
