"""Runs a service of Nova, or Placement: FOLDERS of modules (separated by ':'), NAME, and its arguments, or Placement's port."""

import importlib
import sys

folders, name, *rest = sys.argv[1:]
sys.path[:0] = folders.split(':')


def placement(port):
    from wsgiref import simple_server

    from placement import wsgi

    sys.argv = [name]
    simple_server.make_server('127.0.0.1', port, wsgi.init_application()).serve_forever()


def nova():
    import nova.monkey_patch  # noqa: F401
    import nova.virt

    # The virt driver is looked for in there.
    nova.virt.__path__.extend(folders.split(':'))
    sys.argv = [name, *rest]
    importlib.import_module('nova.cmd.' + name).main()


if name == 'placement':
    placement(int(rest[0]))
else:
    nova()
