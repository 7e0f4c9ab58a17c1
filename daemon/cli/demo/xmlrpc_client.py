"""What `xm` did: calls an XML-RPC service through a UNIX socket path."""
import http.client
import socket
import sys
from xmlrpc.client import ServerProxy, Transport


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


class UnixTransport(Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        return UnixConnection(self.path)


def main():
    server = ServerProxy("http://localhost/RPC2", transport=UnixTransport(sys.argv[1]))
    print(", ".join(server.xend.domains()), "|", server.xend.hello(sys.argv[2]))


main()
