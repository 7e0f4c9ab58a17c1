"""A service as xend spoke it: XML-RPC over a UNIX socket, from Python's own library alone."""
import os
import socketserver
import sys
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler


class Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False  # it is not TCP

    def address_string(self):
        return "local"


class Server(socketserver.ThreadingUnixStreamServer, SimpleXMLRPCDispatcher):
    logRequests = False

    def __init__(self, path):
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.ThreadingUnixStreamServer.__init__(self, path, Handler)


def main():
    path = sys.argv[1]
    server = Server(path)
    server.register_function(lambda: ["Domain-0", "web", "admin"], "xend.domains")
    server.register_function(lambda name: "%s says hello to %s" % (os.uname().nodename, name), "xend.hello")
    print("ready", flush=True)
    server.serve_forever()


main()
