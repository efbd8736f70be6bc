"""Some 230 HTTP/1 requests to pinnace-proxy, Debian's nginx and Debian's HAProxy, each before an origin of its own:
what is served, what is refused, and what the origin saw. Every difference is explained in DIFFERENCES."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from mesh import *

# name of a case: (who differs from us, why we do as we do)
BOTH, NGINX_ALONE, HAPROXY_ALONE = "nginx and haproxy", "nginx", "haproxy"
DIFFERENCES = {
    "method b'get'": (
        HAPROXY_ALONE,
        'a known method in the wrong case slips past rules that know it; applications often obey it'),
    "method b'Get'": (
        HAPROXY_ALONE,
        'a known method in the wrong case slips past rules that know it; applications often obey it'),
    "target b'/a?b#c'": (NGINX_ALONE, 'a target has no fragment (RFC 9112 §3.2)'),
    "target b'/a#b'": (NGINX_ALONE, 'a target has no fragment (RFC 9112 §3.2)'),
    "target b'a'": (HAPROXY_ALONE, 'only origin-form; the asterisk is for OPTIONS (RFC 9112 §3.2)'),
    "target b'*'": (HAPROXY_ALONE, 'only origin-form; the asterisk is for OPTIONS (RFC 9112 §3.2)'),
    "target b'http://b/x'": (HAPROXY_ALONE, 'HAProxy wants Host to agree; RFC 9112 §3.2.2 says that the target wins'),
    "target b'http://b'": (HAPROXY_ALONE, 'HAProxy wants Host to agree; RFC 9112 §3.2.2 says that the target wins'),
    "target b'http://b?q'": (HAPROXY_ALONE, 'HAProxy wants Host to agree; RFC 9112 §3.2.2 says that the target wins'),
    "target b'HTTP://b/x'": (HAPROXY_ALONE, 'HAProxy wants Host to agree; RFC 9112 §3.2.2 says that the target wins'),
    "target b'http://b:81/x'": (
        HAPROXY_ALONE,
        'HAProxy wants Host to agree; RFC 9112 §3.2.2 says that the target wins'),
    "target b'http:///x'": (HAPROXY_ALONE, 'an http URI has a host (RFC 9110 §4.2.1)'),
    "target b'ftp://b/x'": (NGINX_ALONE, 'no scheme of ours'),
    "target b'/\\xc3\\xa9'": (NGINX_ALONE, 'RFC 3986 has no bytes above ASCII in a URI'),
    "target b'/\\xff'": (NGINX_ALONE, 'RFC 3986 has no bytes above ASCII in a URI'),
    "version b'HTTP/2.0'": (HAPROXY_ALONE, 'DIGIT "." DIGIT, major 1 (RFC 9112 §2.3); HTTP/0.9 is not spoken'),
    "version b'HTTP/0.9'": (HAPROXY_ALONE, 'DIGIT "." DIGIT, major 1 (RFC 9112 §2.3); HTTP/0.9 is not spoken'),
    "version b'HTTP/3.0'": (HAPROXY_ALONE, 'DIGIT "." DIGIT, major 1 (RFC 9112 §2.3); HTTP/0.9 is not spoken'),
    "version b'HTTP/1.11'": (NGINX_ALONE, 'DIGIT "." DIGIT, major 1 (RFC 9112 §2.3); HTTP/0.9 is not spoken'),
    "version b''": (NGINX_ALONE, 'DIGIT "." DIGIT, major 1 (RFC 9112 §2.3); HTTP/0.9 is not spoken'),
    "host b''": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host:\\r\\n'": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: \\r\\n'": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a:x\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a:99999\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: [::1\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a b\\r\\n'": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a,b\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a/b\\r\\n'": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a?b\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a#b\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: u@a\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a\\r\\nHost: a\\r\\n'": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host:\\ta\\r\\n'": (NGINX_ALONE, 'nginx takes no tab for white space; RFC 9110 §5.6.3 does'),
    "host b'Host: a\\x01\\r\\n'": (HAPROXY_ALONE, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: a\\\\b\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "host b'Host: \\xc3\\xa9\\r\\n'": (BOTH, 'Host is given once and is host[:port] (RFC 9112 §3.2)'),
    "field b' X: y\\r\\n'": (HAPROXY_ALONE, 'folding is refused, not joined (RFC 9112 §5.2)'),
    "field b'X\\r\\n'": (
        NGINX_ALONE,
        'nginx leaves such a line out; a name is a token, or the message is refused (RFC 9112 §5)'),
    "field b'X: a\\r\\n b\\r\\n'": (HAPROXY_ALONE, 'folding is refused, not joined (RFC 9112 §5.2)'),
    "field b'X: a\\r\\n\\tb\\r\\n'": (HAPROXY_ALONE, 'folding is refused, not joined (RFC 9112 §5.2)'),
    "field b'X: a\\x00b\\r\\n'": (HAPROXY_ALONE, 'no control bytes in values (RFC 9110 §5.5)'),
    "field b'X: a\\x01b\\r\\n'": (BOTH, 'no control bytes in values (RFC 9110 §5.5)'),
    "field b'X: a\\x7fb\\r\\n'": (BOTH, 'no control bytes in values (RFC 9110 §5.5)'),
    "field b'X: a\\x0bb\\r\\n'": (BOTH, 'no control bytes in values (RFC 9110 §5.5)'),
    "field b'X: a\\nY: b\\r\\n'": (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    "field b'X: a\\n'": (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    "field b'X(: y\\r\\n'": (
        NGINX_ALONE,
        'nginx leaves such a line out; a name is a token, or the message is refused (RFC 9112 §5)'),
    "field b'X\\xff: y\\r\\n'": (
        NGINX_ALONE,
        'nginx leaves such a line out; a name is a token, or the message is refused (RFC 9112 §5)'),
    "field b'X@: y\\r\\n'": (
        NGINX_ALONE,
        'nginx leaves such a line out; a name is a token, or the message is refused (RFC 9112 §5)'),
    "field b'X/: y\\r\\n'": (
        NGINX_ALONE,
        'nginx leaves such a line out; a name is a token, or the message is refused (RFC 9112 §5)'),
    "length b'\\t3'": (NGINX_ALONE, 'nginx takes no tab for white space; RFC 9110 §5.6.3 does'),
    "length b'03'": (BOTH, 'leading zeros: decimal to one reader, octal to another'),
    "length b'003'": (BOTH, 'leading zeros: decimal to one reader, octal to another'),
    "length b'3,3'": (HAPROXY_ALONE, 'a length is said once (RFC 9110 §8.6 lets equal ones pass, or be refused)'),
    "length b'3, 3'": (HAPROXY_ALONE, 'a length is said once (RFC 9110 §8.6 lets equal ones pass, or be refused)'),
    "length b'18446744073709551619'": (
        HAPROXY_ALONE,
        'HAProxy closes the request and serves what follows; nothing is served behind a refusal'),
    'length twice': (HAPROXY_ALONE, 'a length is said once (RFC 9110 §8.6 lets equal ones pass, or be refused)'),
    'length of TRACE': (HAPROXY_ALONE, 'TRACE has no content (RFC 9110 §9.3.8)'),
    "coding b'\\tchunked'": (NGINX_ALONE, 'nginx takes no tab for white space; RFC 9110 §5.6.3 does'),
    "coding b'chunked,'": (HAPROXY_ALONE, 'an empty element: some see chunked, some do not'),
    'coding and length': (HAPROXY_ALONE, 'two framings in one message are an attack (RFC 9112 §6.3, item 3)'),
    'length and coding': (HAPROXY_ALONE, 'a length is said once (RFC 9110 §8.6 lets equal ones pass, or be refused)'),
    'coding in HTTP/1.0': (HAPROXY_ALONE, 'faulty framing (RFC 9112 §6.1)'),
    'folded coding': (HAPROXY_ALONE, 'folding is refused, not joined (RFC 9112 §5.2)'),
    'chunk bare semicolon': (BOTH, 'an extension is a token with a token or quoted value (RFC 9112 §7.1.1)'),
    'chunk odd extension': (BOTH, 'an extension is a token with a token or quoted value (RFC 9112 §7.1.1)'),
    'chunk NUL in extension': (BOTH, 'an extension is a token with a token or quoted value (RFC 9112 §7.1.1)'),
    'chunk length in trailer': (BOTH, 'framing and Host must not come in trailers (RFC 9110 §6.5.1)'),
    'chunk coding in trailer': (BOTH, 'framing and Host must not come in trailers (RFC 9110 §6.5.1)'),
    'chunk host in trailer': (BOTH, 'framing and Host must not come in trailers (RFC 9110 §6.5.1)'),
    'chunk bad trailer': (NGINX_ALONE, 'a trailer is a field'),
    'chunk LF in trailer': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'chunk LF at the end': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'chunk LF behind size': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'chunk LF behind data': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'chunk less data': (BOTH, 'they take any byte before the LF; CRLF stands after the data (RFC 9112 §7.1)'),
    'chunk space behind size': (BOTH, 'no white space behind a size without extension (RFC 9112 §7.1)'),
    'chunk tab behind size': (BOTH, 'no white space behind a size without extension (RFC 9112 §7.1)'),
    'an LF first': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'a CR first': (
        NGINX_ALONE,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'LF lines': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'LF after the request line': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'LF at the end': (
        BOTH,
        'RFC 9112 §2.2 lets a recipient refuse a line that ends in LF alone, and who does not cuts differently'),
    'two spaces': (BOTH, 'one space, no other white space (RFC 9112 §3)'),
    'two spaces later': (BOTH, 'one space, no other white space (RFC 9112 §3)'),
    'a tab': (HAPROXY_ALONE, 'one space, no other white space (RFC 9112 §3)'),
    'a space at the end': (NGINX_ALONE, 'one space, no other white space (RFC 9112 §3)'),
    'HTTP/0.9': (NGINX_ALONE, 'DIGIT "." DIGIT, major 1 (RFC 9112 §2.3); HTTP/0.9 is not spoken'),
    'another expectation': (BOTH, '417 for what is not understood (RFC 9110 §10.1.1)'),
    'connect': (HAPROXY_ALONE, 'CONNECT is served where a route and upgrade_configs say so; here none does'),
    'options of all': (BOTH, 'no route of this configuration matches *, which is 404; nginx has no such form'),
    'upgrade to nothing known': (BOTH, 'an upgrade that is not configured is 403, as in Envoy'),
}

NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"


def get(fields=b"", target=b"/", version=b"HTTP/1.1", method=b"GET", host=b"Host: a\r\n"):
    return method + b" " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b""):
    return get(fields, method=b"POST") + body


def chunked(body):
    return post(b"Transfer-Encoding: chunked\r\n", body)


def cases():
    """(name, bytes) of every request; NEXT is sent behind each."""
    yield "plain", get()
    for method in (b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"PATCH", b"PROPFIND", b"PURGE", b"M-SEARCH", b"get", b"Get",
                   b"G\x01T", b"G(T", b"G\"T", b"", b"G T"):
        yield f"method {method!r}", get(method=method)
    for target in (b"/a", b"/a?b=c", b"/a%20b", b"/%41", b"//a", b"/a//b", b"/;a", b"/a:b", b"/a@b", b"/a|b", b"/a^b",
                   b"/a`b", b"/{a}", b"/a\"b", b"/<a>", b"/a\\b", b"/a?b#c", b"/a#b", b"a", b"", b"*", b"?a", b"a:80",
                   b"http://b/x", b"http://b", b"http://b?q", b"HTTP://b/x", b"http://b:81/x", b"http://u@b/x",
                   b"http:///x", b"ftp://b/x", b"/\x01", b"/\x7f", b"/\xc3\xa9", b"/\xff", b"/a b", b"/a\tb"):
        yield f"target {target!r}", get(target=target)
    for version in (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0", b"HTTP/1", b"HTTP/1.",
                    b"HTTP/11", b"HTTP/1.11", b"HTTP/01.1", b"http/1.1", b"Http/1.1", b"HTTPS/1.1", b"HTTP /1.1", b"",
                    b"HTTP/1.1 x"):
        yield f"version {version!r}", get(version=version)
    for host in (b"", b"Host:\r\n", b"Host: \r\n", b"Host: a:80\r\n", b"Host: a:\r\n", b"Host: a:x\r\n",
                 b"Host: a:99999\r\n", b"Host: [::1]\r\n", b"Host: [::1]:80\r\n", b"Host: [::1\r\n", b"Host: a b\r\n",
                 b"Host: a,b\r\n", b"Host: a/b\r\n", b"Host: a?b\r\n", b"Host: a#b\r\n", b"Host: u@a\r\n",
                 b"Host: a_b\r\n", b"Host: A\r\n", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nHost: b\r\n",
                 b"Host:\ta\r\n", b"Host: a\x01\r\n", b"hOST: a\r\n", b"Host: a.\r\n", b"Host: a%41\r\n",
                 b"Host: a\\b\r\n", b"Host: \xc3\xa9\r\n"):
        yield f"host {host!r}", get(host=host)
    for field in (b"X: y\r\n", b"X:y\r\n", b"X:\r\n", b"X: \t y \t\r\n", b"X : y\r\n", b" X: y\r\n", b"X\r\n", b": y\r\n",
                  b"X y: z\r\n", b"X\t: y\r\n", b"X: a\r\n b\r\n", b"X: a\r\n\tb\r\n", b"X: a\x00b\r\n", b"X: a\x01b\r\n",
                  b"X: a\x7fb\r\n", b"X: a\x0bb\r\n", b"X: \xff\r\n", b"X: a\rb\r\n", b"X: a\nY: b\r\n", b"X: a\n",
                  b"X(: y\r\n", b"X\xff: y\r\n", b"X\x00: y\r\n", b"X@: y\r\n", b"X/: y\r\n", b"X!: y\r\n", b"X': y\r\n",
                  b"X\r: y\r\n", b"\r: y\r\n", b"X:: y\r\n"):
        yield f"field {field!r}", get(field)
    for length in (b"3", b" 3 ", b"\t3", b"03", b"003", b"+3", b"-3", b"0x3", b"3.0", b"3 3", b"3,3", b"3, 3", b"3,4", b"",
                   b"3;", b"3\x0b", b"\x0c3", b"\"3\"", b"18446744073709551619", b"99999999999999999999", b"3_0", b"a",
                   b"3e0"):
        yield f"length {length!r}", post(b"Content-Length:" + length + b"\r\n", b"abc")
    yield "length twice", post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc")
    yield "two lengths", post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc")
    yield "length 0", post(b"Content-Length: 0\r\n")
    yield "length of GET", get(b"Content-Length: 3\r\n") + b"abc"
    yield "length of HEAD", get(b"Content-Length: 3\r\n", method=b"HEAD") + b"abc"
    yield "length of TRACE", get(b"Content-Length: 3\r\n", method=b"TRACE") + b"abc"
    for coding in (b"chunked", b"Chunked", b"CHUNKED", b" chunked ", b"\tchunked", b"xchunked", b"chunkedx", b"chunked,",
                   b",chunked", b"chunked, chunked", b"chunked,identity", b"identity", b"identity, chunked", b"gzip",
                   b"gzip, chunked", b"chunked, gzip", b"chunked;q=1", b"chunked;", b"\"chunked\"", b"'chunked'",
                   b"\x0bchunked", b"chunked\x0b", b"chunked\x00", b"chun\x00ked", b"chunk", b"", b"chunked\xa0",
                   b"\xa0chunked", b"ch\xc5unked"):
        yield f"coding {coding!r}", post(b"Transfer-Encoding:" + coding + b"\r\n", b"3\r\nabc\r\n0\r\n\r\n")
    both = b"3\r\nabc\r\n0\r\n\r\n"
    yield "coding twice", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", both)
    yield "two codings", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", both)
    yield "identity, then chunked", post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", both)
    yield "coding and length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", both)
    yield "length and coding", post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", both)
    yield "identity and length", post(b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", b"abc")
    yield "coding in HTTP/1.0", get(b"Transfer-Encoding: chunked\r\n", version=b"HTTP/1.0", method=b"POST") + both
    yield "coding behind a space", post(b"Transfer-Encoding : chunked\r\nContent-Length: 3\r\n", b"abc")
    yield "folded coding", post(b"Transfer-Encoding:\r\n chunked\r\n", both)
    yield "coding with an underscore", post(b"Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", b"abc")
    for name, body in (
            ("whole", b"3\r\nabc\r\n0\r\n\r\n"), ("two", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
            ("upper case", b"A\r\n0123456789\r\n0\r\n\r\n"), ("lower case", b"a\r\n0123456789\r\n0\r\n\r\n"),
            ("zeros", b"0003\r\nabc\r\n000\r\n\r\n"), ("extension", b"3;a=b\r\nabc\r\n0\r\n\r\n"),
            ("quoted extension", b"3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n"), ("last extension", b"3\r\nabc\r\n0;a\r\n\r\n"),
            ("spaced extension", b"3 ; a\r\nabc\r\n0\r\n\r\n"), ("bare semicolon", b"3;\r\nabc\r\n0\r\n\r\n"),
            ("odd extension", b"3;a@\r\nabc\r\n0\r\n\r\n"), ("LF in extension", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
            ("CR in extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n"), ("NUL in extension", b"3;a\x00\r\nabc\r\n0\r\n\r\n"),
            ("trailer", b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"), ("length in trailer", b"3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"),
            ("coding in trailer", b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("host in trailer", b"3\r\nabc\r\n0\r\nHost: b\r\n\r\n"), ("bad trailer", b"3\r\nabc\r\n0\r\nX\r\n\r\n"),
            ("LF in trailer", b"3\r\nabc\r\n0\r\nX: y\n\r\n"), ("LF at the end", b"3\r\nabc\r\n0\r\n\n"),
            ("LF behind size", b"3\nabc\r\n0\r\n\r\n"), ("CR behind size", b"3\rabc\r\n0\r\n\r\n"),
            ("LF behind data", b"3\r\nabc\n0\r\n\r\n"), ("nothing behind data", b"3\r\nabc0\r\n\r\n"),
            ("more data", b"3\r\nabcd\r\n0\r\n\r\n"), ("less data", b"4\r\nabc\r\n0\r\n\r\n"),
            ("space before size", b" 3\r\nabc\r\n0\r\n\r\n"), ("space behind size", b"3 \r\nabc\r\n0\r\n\r\n"),
            ("tab behind size", b"3\t\r\nabc\r\n0\r\n\r\n"), ("0x", b"0x3\r\nabc\r\n0\r\n\r\n"), ("+", b"+3\r\nabc\r\n0\r\n\r\n"),
            ("-", b"-3\r\nabc\r\n0\r\n\r\n"), ("underscore", b"0_3\r\nabc\r\n0\r\n\r\n"), ("no size", b"\r\nabc\r\n0\r\n\r\n"),
            ("no number", b"g\r\nabc\r\n0\r\n\r\n"), ("64 bits", b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
            ("65 bits", b"10000000000000003\r\nabc\r\n0\r\n\r\n"), ("empty line first", b"\r\n3\r\nabc\r\n0\r\n\r\n"),
            ("only the end", b"0\r\n\r\n")):
        yield f"chunk {name}", chunked(body)
    for name, data in (
            ("an empty line first", b"\r\n" + get()), ("four empty lines", b"\r\n" * 4 + get()),
            ("an LF first", b"\n" + get()), ("a CR first", b"\r" + get()), ("a space first", b" " + get()),
            ("LF lines", get().replace(b"\r\n", b"\n")), ("CR lines", get().replace(b"\r\n", b"\r")),
            ("LF after the request line", get().replace(b"\r\n", b"\n", 1)), ("LF at the end", get()[:-2] + b"\n"),
            ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), ("two spaces later", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("a tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), ("a space at the end", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
            ("HTTP/0.9", b"GET /\r\n"), ("close", get(b"Connection: close\r\n")),
            ("1.0 kept", get(b"Connection: keep-alive\r\n", version=b"HTTP/1.0")),
            ("expect", post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc")),
            ("another expectation", post(b"Expect: coffee\r\nContent-Length: 3\r\n", b"abc")),
            ("connect", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
            ("connect to a path", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"), ("options of all", get(target=b"*", method=b"OPTIONS")),
            ("upgrade to nothing known", get(b"Connection: upgrade\r\nUpgrade: coffee\r\n")),
            ("h2c", get(b"Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"),
            ("TLS", b"\x16\x03\x01\0\x05\x01\0\0\x01\0"), ("many fields", get(b"A: b\r\n" * 95)),
            ("a long field", get(b"A: " + b"b" * 6000 + b"\r\n")), ("a long target", get(target=b"/" + b"a" * 6000)),
            ("hop-by-hop", get(b"Connection: x\r\nX: y\r\n")), ("host is hop-by-hop", get(b"Connection: host\r\n")),
            ("length is hop-by-hop", post(b"Connection: content-length\r\nContent-Length: 3\r\n", b"abc"))):
        yield name, data


class Recorder:
    """An origin that keeps (method, target, body) of what it understood; strict, so that a desync shows."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        try:
            with peer, peer.makefile("rb") as file:
                while line := file.readline():
                    fields = {}
                    while (field := file.readline()) not in (b"\r\n", b"\n", b""):
                        name, _, value = field.partition(b":")
                        fields[name.lower()] = value.strip()
                    if fields.get(b"expect"):
                        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    body = b""
                    if b"transfer-encoding" in fields:
                        while size := int(file.readline().split(b";")[0], 16):
                            body += file.read(size)
                            file.readline()
                        while file.readline() not in (b"\r\n", b""):
                            pass
                    else:
                        body = file.read(int(fields.get(b"content-length", 0)))
                    method, target = line.split(b" ")[:2]
                    self.seen.append((method, target, body))
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if method == b"HEAD" else b"ok"))
        except (OSError, ValueError):
            return


def ask(port, data):
    """What comes back until the peer ends or has been quiet for a while after an answer."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.settimeout(1.5)
        try:
            client.sendall(data)
            while chunk := client.recv(65536):
                got += chunk
                client.settimeout(0.15)
        except OSError:
            pass
    return got


def verdict(port, origin, data):
    """("served" or "refused", what the origin saw of the request, whether what came next was served)."""
    origin.seen.clear()
    got = ask(port, data + NEXT)
    statuses = [int(one) for one in re.findall(rb"HTTP/1\.[01] (\d\d\d)", got) if one[:1] != b"1"]
    seen = [one for one in origin.seen if one[1] != b"/next"]
    followed = any(one[1] == b"/next" for one in origin.seen)
    return ("served" if statuses and statuses[0] < 400 else "refused", seen, followed)


NGINX = """daemon off; error_log stderr crit; pid {folder}/pid; worker_processes 1; events {{}}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_header_timeout 1s; client_body_timeout 1s;
  server {{ listen 127.0.0.1:{port}; underscores_in_headers on; location / {{ proxy_pass http://127.0.0.1:{origin};
    proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_ignore_client_abort on; }} }} }}
"""
HAPROXY = """global
  log stderr local0 emerg
defaults
  mode http
  timeout connect 2s
  timeout client 1s
  timeout server 2s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{origin}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peers:
    """The three proxies, each with its origin: name -> (port, Recorder)."""

    def __init__(self, test):
        self.all = {}
        folder = tempfile.TemporaryDirectory(prefix="pinnace-differential-")
        test.addCleanup(folder.cleanup)
        for name, text, command in (("nginx", NGINX, ["nginx", "-p", folder.name, "-e", "stderr", "-c"]),
                                    ("haproxy", HAPROXY, ["haproxy", "-db", "-f"])):
            origin, port = Recorder(), free_port()
            path = os.path.join(folder.name, name + ".conf")
            with open(path, "w") as file:
                file.write(text.format(folder=folder.name, port=port, origin=origin.port))
            process = subprocess.Popen([*command, path], stderr=subprocess.DEVNULL)
            test.addCleanup(process.wait)
            test.addCleanup(process.terminate)
            test.addCleanup(origin.listener.close)
            self.all[name] = (port, origin)
            wait_for(lambda: b" 200 " in self.try_once(port))
        origin = Recorder()
        test.addCleanup(origin.listener.close)
        proxy = Proxy([http_listener("in", "up")], [cluster("up", origin.port)])
        test.addCleanup(proxy.close)
        self.all["pinnace"] = (proxy.ports["in"], origin)

    @staticmethod
    def try_once(port):
        try:
            return ask(port, get(b"Connection: close\r\n"))
        except OSError:
            return b""


class Differential(unittest.TestCase):
    def test_each_difference_is_explained(self):
        requests = dict(cases())
        self.assertGreaterEqual(len(requests), 200)
        peers = Peers(self)
        verdicts = {}

        def run(name):
            port, origin = peers.all[name]
            verdicts[name] = {case: verdict(port, origin, data) for case, data in requests.items()}

        threads = [threading.Thread(target=run, args=(name,)) for name in peers.all]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = {}
        for case in requests:
            ours = verdicts["pinnace"][case]
            others = [name for name in ("nginx", "haproxy") if verdicts[name][case] != ours]
            if others:
                found[case] = " and ".join(others)
        if os.environ.get("SHOW"):
            for case, who in found.items():
                print(case, "|", who, "|", *(f"{name}: {verdicts[name][case]}" for name in verdicts))
        for case in found.keys() | DIFFERENCES.keys():
            with self.subTest(case):
                who, why = DIFFERENCES.get(case, ("", ""))
                self.assertEqual(who, found.get(case, ""), {name: one[case] for name, one in verdicts.items()})
                self.assertTrue(why or case not in found)


if __name__ == "__main__":
    for program in ("nginx", "haproxy"):
        if shutil.which(program) is None:
            print(f"SKIPPED: {program} is not installed")
            sys.exit(77)
    unittest.main()
