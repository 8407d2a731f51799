"""A gRPC client that knows nothing but an address: it learns every service and
message from the server's reflection, as tools written elsewhere do."""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_METHOD = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def _reflection_messages():
    """Returns the published request and response messages of reflection."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="reflection.proto", package="grpc.reflection.v1alpha", syntax="proto3")

    def message(name, *fields):
        added = file.message_type.add(name=name)
        for number, label, kind, type_name in fields:
            added.field.add(
                name=f"f{number}", number=number, type=kind, label=label,
                type_name=f".grpc.reflection.v1alpha.{type_name}" if type_name else None)

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    text, raw, inner = field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_MESSAGE
    message("Request", (4, one, text, None), (7, one, text, None))
    message("Files", (1, many, raw, None))
    message("Service", (1, one, text, None))
    message("Services", (1, many, inner, "Service"))
    message("Response", (4, one, inner, "Files"), (6, one, inner, "Services"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(
        f"grpc.reflection.v1alpha.{name}")) for name in ("Request", "Response")]


class Client:
    """Calls methods by name with plain Python values."""

    def __init__(self, address):
        # Not a connection that an earlier client left, whose peer may be gone.
        self._channel = grpc.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._pool = descriptor_pool.DescriptorPool()
        self._known = set()
        self._request, response = _reflection_messages()
        self._ask = self._channel.stream_stream(
            _METHOD, request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=response.FromString)

    def services(self):
        """Returns the names of all services."""
        answer = next(self._ask(iter([self._request(f7="*")])))
        return [service.f1 for service in answer.f6.f1]

    def _learn(self, symbol):
        answer = next(self._ask(iter([self._request(f4=symbol)])))
        files = [descriptor_pb2.FileDescriptorProto.FromString(raw) for raw in answer.f4.f1]
        by_name = {file.name: file for file in files}

        def add(file):
            if file.name in self._known:
                return
            self._known.add(file.name)
            for needed in file.dependency:
                add(by_name[needed])
            self._pool.Add(file)

        for file in files:
            add(file)

    def _method(self, service, method):
        self._learn(service)
        descriptor = self._pool.FindServiceByName(service).FindMethodByName(method)
        factory = message_factory.MessageFactory(self._pool)
        return (factory.GetPrototype(descriptor.input_type),
                factory.GetPrototype(descriptor.output_type))

    def call(self, service, method, **fields):
        """Calls a unary method; raises grpc.RpcError."""
        request, response = self._method(service, method)
        stub = self._channel.unary_unary(
            f"/{service}/{method}", request_serializer=request.SerializeToString,
            response_deserializer=response.FromString)
        return stub(request(**fields), timeout=30)

    def stream(self, service, method, **fields):
        """Calls a server-streaming method, and yields its messages."""
        request, response = self._method(service, method)
        stub = self._channel.unary_stream(
            f"/{service}/{method}", request_serializer=request.SerializeToString,
            response_deserializer=response.FromString)
        yield from stub(request(**fields), timeout=120)
