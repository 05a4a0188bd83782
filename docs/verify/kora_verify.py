#!/usr/bin/env python3
"""Verifies an export of a kora host's event log, and optionally a signed checkpoint of it, without kora.

    kora_verify.py EXPORT                                        are the records as they were written?
    kora_verify.py EXPORT --checkpoint FILE --key VERIFIER_KEY   and is it the chain that the host signed?
    kora_verify.py --self-test                                   the vectors of RFC 8032, and what must be refused

Python 3.8 or later, standard library only. Written from the description in `event-log.md` and not from kora's code: two
programs that agree are worth more than one. It reads the export once, line by line, whatever its size.

Exit codes: 0 sound; 1 broken, and the first bad record of each chain is named; 2 it could not be checked.
"""

import argparse
import base64
import binascii
import hashlib
import json
import struct
import sys

SOUND, BROKEN, UNCHECKED = 0, 1, 2

EXPORT_FORMAT = "kora.events.v1"
CHECKPOINT_FORMAT = "kora.checkpoint.v1"
MAX_LINE_BYTES = 1024 * 1024  # a payload has at most 64 KiB, which escapes can make six times longer
MAX_NOTE_LINE_BYTES = 16 * 1024
MAX_SIGNATURES = 16


class CannotCheck(Exception):
    """Nothing can be said."""


# --- Ed25519 (RFC 8032), verification only -----------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)

# A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z.
NEUTRAL = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = NEUTRAL
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def is_equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def decompress(encoded):
    """The point, or None: also for a y that is not below P, of which there would be two encodings."""
    if len(encoded) != 32:
        return None
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        return None
    x_squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x_squared == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(x_squared, (P + 3) // 8, P)
    if (x * x - x_squared) % P != 0:
        x = x * SQRT_MINUS_ONE % P
    if (x * x - x_squared) % P != 0:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_small_order(point):
    return is_equal(multiply(8, point), NEUTRAL)


def verifies(public_key, message, signature):
    """Strictly: S below L, and neither the key nor R of small order, under which anything would hold."""
    if len(signature) != 64:
        return False
    key, r = decompress(public_key), decompress(signature[:32])
    if key is None or r is None or is_small_order(key) or is_small_order(r):
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    k = int.from_bytes(digest, "little") % L
    return is_equal(multiply(s, BASE), add(r, multiply(k, key)))


# --- Signed notes (https://c2sp.org/signed-note) and the checkpoints in them -------------------------------------------


def decode_base64(text):
    """The bytes, or None unless `text` is their one encoding."""
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    return decoded if base64.b64encode(decoded).decode("ascii") == text else None


class Key:
    """A verifier key `name+id+base64`, as `kora events key` prints it."""

    def __init__(self, text):
        parts = text.strip().split("+", 2)
        if text.startswith("PRIVATE+KEY+") or len(parts) != 3:
            raise CannotCheck("the key: expected the public one, `name+id+base64`, as `kora events key` prints it")
        self.name, number, encoded = parts
        decoded = decode_base64(encoded)
        if not self.name or decoded is None or len(decoded) != 33 or decoded[0] != 1:
            raise CannotCheck("the key: expected the byte 1 and 32 bytes of Ed25519 as base64")
        self.public = decoded[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]
        if self.id.hex() != number:
            raise CannotCheck("the key: its number is not that of its name and bytes, so it was changed or not copied whole")
        point = decompress(self.public)
        if point is None or is_small_order(point):
            raise CannotCheck("the key: it is none, or one under which anything would hold")


def is_key_name(text):
    """A name as the format of signed notes wants it: something, without a plus or white space."""
    return bool(text) and "+" not in text and not any(c.isspace() for c in text)


def read_notes(data):
    """[(text, [(name, id, signature)])] of notes that stand one after another."""

    def none(number):
        return CannotCheck(f"the checkpoint: line {number} is not part of a signed note, or the file was cut")

    notes, text, text_ended, signatures = [], "", False, []
    lines = data.split(b"\n")
    if lines.pop() != b"":
        raise none(len(lines) + 1)
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise none(number) from None
        if len(raw) > MAX_NOTE_LINE_BYTES or any(ord(c) < 32 for c in line):
            raise none(number)
        if signatures and not line.startswith("\u2014 "):
            notes.append((text, signatures))
            text, text_ended, signatures = "", False, []
        if not text_ended:
            if line:
                text += line + "\n"
            else:
                text_ended = bool(text)
            continue
        fields = line.split(" ")
        decoded = decode_base64(fields[2]) if len(fields) == 3 and fields[0] == "\u2014" else None
        if not decoded or len(decoded) < 5 or not is_key_name(fields[1]) or len(signatures) == MAX_SIGNATURES:
            raise none(number)
        signatures.append((fields[1], decoded[:4], decoded[4:]))
    if signatures:
        notes.append((text, signatures))
    elif text:
        raise none(len(lines))
    if not notes:
        raise CannotCheck("the checkpoint: there is no signed note in the file")
    return notes


def checkpoint_of(note, key):
    """(tenant, seq, head, signed_at_us) that `key` signed. Signatures of others are passed over."""
    text, signatures = note
    own = [signature for name, number, signature in signatures if (name, number) == (key.name, key.id)]
    if not own:
        found = ", ".join(f"{name}+{number.hex()}" for name, number, _ in signatures)
        raise CannotCheck(f"the checkpoint is signed by another key: {found}, not {key.name}+{key.id.hex()}")
    if not all(verifies(key.public, text.encode(), signature) for signature in own):
        raise Broken("the signature of the checkpoint does not hold: it was changed, or the key did not sign it")
    lines = text.split("\n")
    origin, tenant = lines[0][: len(key.name) + 1], lines[0][len(key.name) + 1 :]
    head = decode_base64(lines[2]) if len(lines) > 2 else None
    word, _, micros = lines[3].partition(" ") if len(lines) > 3 else ("", "", "")
    is_checkpoint = (
        len(lines) == 5
        and origin == key.name + "/"
        and tenant
        and is_number(lines[1])
        and lines[1] != "0"
        and head is not None
        and len(head) == 32
        and word == CHECKPOINT_FORMAT
        and is_number(micros[1:] if micros.startswith("-") else micros)
    )
    if not is_checkpoint:
        raise CannotCheck("the key signed something else than a checkpoint")
    return tenant, int(lines[1]), head, int(micros)


def is_number(text):
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")


class Broken(Exception):
    """Something was changed."""


# --- Exports -----------------------------------------------------------------------------------------------------------

U64, I64 = (0, 2**64 - 1), (-(2**63), 2**63 - 1)


def is_int(value, bounds):
    return type(value) is int and bounds[0] <= value <= bounds[1]


def is_text(value):
    return type(value) is str


def is_hex(text):
    return all(c in "0123456789abcdef" for c in text)


def is_hash(value):
    return is_text(value) and len(value) == 64 and is_hex(value)


def is_id(value):
    parts = value.split("-") if is_text(value) else []
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and is_hex("".join(parts))


def or_null(check):
    return lambda value: value is None or check(value)


def u64(value):
    return is_int(value, U64)


def i64(value):
    return is_int(value, I64)


FIELDS = {
    "header": {"format": is_text, "tenant": is_text, "genesis": is_hash, "exported_at_us": i64},
    "event": {
        "tenant": is_text,
        "seq": u64,
        "event_id": is_id,
        "event_type": is_text,
        "occurred_at_us": i64,
        "actor_kind": or_null(is_text),
        "actor_id": or_null(is_text),
        "source": is_text,
        "identity_generation": or_null(u64),
        "idempotency_key": or_null(is_text),
        "payload": is_text,
        "prev_hash": is_hash,
        "this_hash": is_hash,
    },
    "trailer": {
        "tenant": is_text,
        "first_seq": or_null(u64),
        "last_seq": or_null(u64),
        "count": u64,
        "last_hash": or_null(is_hash),
    },
}


def read_line(raw):
    """The values of a line, or None unless it is, byte for byte, what an export writes of them."""
    if len(raw) > MAX_LINE_BYTES or not raw.endswith(b"\n"):
        return None
    try:
        text = raw[:-1].decode("utf-8")
        values = json.loads(text)
        if type(values) is not dict or json.dumps(values, ensure_ascii=False, separators=(",", ":")) != text:
            return None
    except (ValueError, RecursionError):
        return None
    fields = FIELDS.get(values["kind"]) if is_text(values.get("kind")) else None
    if fields is None or list(values) != ["kind", *fields]:
        return None
    return values if all(check(values[name]) for name, check in fields.items()) else None


def genesis_of(tenant):
    return hashlib.sha256(b"kora.genesis.v1\0" + tenant.encode("utf-8")).digest()


def hash_of(event):
    def text(name):
        value = event[name]
        return None if value is None else value.encode("utf-8")

    def number(name, form):
        value = event[name]
        return None if value is None else struct.pack(form, value)

    fields = [
        text("tenant"),
        number("seq", ">Q"),
        bytes.fromhex(event["event_id"].replace("-", "")),
        text("event_type"),
        number("occurred_at_us", ">q"),
        text("actor_kind"),
        text("actor_id"),
        text("source"),
        number("identity_generation", ">Q"),
        text("idempotency_key"),
        text("payload"),
    ]
    record = b"kora.event.v1\0" + bytes.fromhex(event["prev_hash"])
    for field in fields:
        record += b"\xff\xff\xff\xff" if field is None else struct.pack(">I", len(field)) + field
    return hashlib.sha256(record).digest()


class Chain:
    """One chain of an export, as far as it was read."""

    def __init__(self, tenant, checkpoints):
        self.tenant = tenant
        self.records = 0
        self.last = genesis_of(tenant)
        self.bad = None  # (line, record or None, check, detail)
        self.signed_to = 0
        self.faults = []
        self.pending = {}
        for seq, head in checkpoints:
            self.pending.setdefault(seq, []).append(head)

    def event(self, values):
        """What is wrong with the next record, or None."""
        place, seq = self.records + 1, values["seq"]
        if values["tenant"] != self.tenant:
            return "tenant", f"it is of the chain of `{values['tenant']}`"
        if hash_of(values).hex() != values["this_hash"]:
            return "hash", f"record {place} does not have the hash that is stored with it"
        if seq > place:
            return "gap", f"record {place} is missing: {seq} comes next"
        if seq < place:
            return "gap", f"expected record {place}, found {seq} once more"
        if values["prev_hash"] != self.last.hex():
            return "link", f"record {place} does not name the hash of the record before it"
        self.records, self.last = place, bytes.fromhex(values["this_hash"])
        for head in self.pending.pop(place, []):
            if head == self.last:
                self.signed_to = max(self.signed_to, place)
            else:
                self.fault(place, "rewritten", f"record {place} is not the one that was signed: the chain was written anew")
        return None

    def trailer(self, values):
        expected = {
            "kind": "trailer",
            "tenant": self.tenant,
            "first_seq": 1 if self.records else None,
            "last_seq": self.records or None,
            "count": self.records,
            "last_hash": self.last.hex() if self.records else None,
        }
        if values != expected:
            return "trailer", f"the trailer does not fit: {self.records} records stand before it"
        for seq in sorted(self.pending):
            detail = f"record {seq} was signed, and the chain ends with record {self.records}: its end was cut off"
            self.fault(seq, "truncated", detail)
        return None

    def fault(self, seq, fault, detail):
        self.faults.append({"seq": seq, "fault": fault, "detail": detail})


CUT = "the chain has no trailer: its end was cut off"


def read_export(lines, checkpoints):
    """The chains of an export. What cannot be read is told by the first bad line of its chain."""
    chains, current, skipping, number = [], None, False, 0

    def begin(values, line):
        tenant = values["tenant"]
        chain = Chain(tenant, checkpoints.get(tenant, []))
        if values["format"] != EXPORT_FORMAT:
            chain.bad = (line, None, "header", f"expected the format `{EXPORT_FORMAT}`")
        elif values["genesis"] != genesis_of(tenant).hex():
            chain.bad = (line, None, "header", "the genesis hash is not that of the chain")
        elif any(known.tenant == tenant for known in chains):
            chain.bad = (line, None, "header", "this chain comes twice")
        chains.append(chain)
        return chain

    for number, raw in enumerate(lines, 1):
        values = read_line(raw)
        kind = values["kind"] if values else None
        if kind == "header":
            if current and not skipping:
                current.bad = (number, current.records + 1, "cut", CUT)
            current = begin(values, number)
            skipping = current.bad is not None
        elif skipping:
            if kind == "trailer":
                current, skipping = None, False
        elif current is None:
            current = Chain("", [])
            current.bad = (number, None, "header", "expected the header of a chain")
            chains.append(current)
            skipping = True
        elif kind == "event":
            fault = current.event(values)
            if fault:
                current.bad = (number, current.records + 1, *fault)
                skipping = True
        elif kind == "trailer":
            fault = current.trailer(values)
            if fault:
                current.bad = (number, None, *fault)
            current = None
        else:
            current.bad = (number, current.records + 1, "line", "the line is not as an export writes it")
            skipping = True
    if current and not skipping:
        current.bad = (number + 1, current.records + 1, "cut", CUT)
    return chains


def verify(export, note_bytes, key_text):
    """(exit code, report)"""
    checkpoints = {}
    if note_bytes is not None:
        key = Key(key_text)
        for note in read_notes(note_bytes):
            tenant, seq, head, _ = checkpoint_of(note, key)
            checkpoints.setdefault(tenant, []).append((seq, head))
    chains = read_export(export, checkpoints)
    without_chain = sorted(set(checkpoints) - {chain.tenant for chain in chains})
    if any(chain.bad or chain.faults for chain in chains):
        status, code = "broken", BROKEN
    elif without_chain or not chains:
        status, code = "unchecked", UNCHECKED
    elif any(chain.records for chain in chains):
        status, code = "sound", SOUND
    else:
        status, code = "empty", SOUND
    report = {
        "status": status,
        "chains": [
            {
                "tenant": chain.tenant,
                "status": "broken" if chain.bad or chain.faults else "sound" if chain.records else "empty",
                "records": chain.records,
                "last_hash": chain.last.hex() if chain.records else None,
                "signed_to": chain.signed_to or None,
                "first_bad": dict(zip(("line", "seq", "check", "detail"), chain.bad)) if chain.bad else None,
                "checkpoint_faults": chain.faults,
            }
            for chain in chains
        ],
        "without_chain": without_chain,
    }
    return code, report


def show(report):
    if not report["chains"]:
        print("unchecked: the export is empty: expected the header of a chain")
    for chain in report["chains"]:
        name = f"`{chain['tenant']}`" if chain["tenant"] else "a chain"
        bad = chain["first_bad"]
        if bad:
            record = f"record {bad['seq']}" if bad["seq"] else f"the {bad['check']}"
            print(f"broken: {name}, {record} (line {bad['line']}): {bad['detail']}")
        for fault in chain["checkpoint_faults"]:
            print(f"broken: {name}, checkpoint of record {fault['seq']}: {fault['detail']}")
        if chain["status"] != "broken":
            signed = f", signed up to record {chain['signed_to']}" if chain["signed_to"] else ", no checkpoint"
            print(f"{chain['status']}: {name}, {chain['records']} records{signed}")
    for tenant in report["without_chain"]:
        print(f"unchecked: there is a checkpoint of `{tenant}`, and the export has no chain of it")


# --- The self test -----------------------------------------------------------------------------------------------------

RFC_8032 = [  # section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


def self_test():
    def check(holds, what):
        if not holds:
            print(f"self-test failed: {what}", file=sys.stderr)
            sys.exit(BROKEN)

    for number, vector in enumerate(RFC_8032, 1):
        key, message, signature = (bytes.fromhex(part) for part in vector)
        check(verifies(key, message, signature), f"vector {number} of RFC 8032")
        check(not verifies(key, message + b"x", signature), f"vector {number} with another message")
        for at in (0, 31, 32, 63):
            other = bytearray(signature)
            other[at] ^= 1
            check(not verifies(key, message, bytes(other)), f"vector {number} with byte {at} changed")
        s = int.from_bytes(signature[32:], "little") + L
        check(not verifies(key, message, signature[:32] + s.to_bytes(32, "little")), f"vector {number} with S not below L")
    neutral = (1).to_bytes(32, "little")
    check(not verifies(neutral, b"anything", neutral + bytes(32)), "a key of small order")
    check(not verifies(bytes.fromhex(RFC_8032[0][0]), b"", neutral + bytes(32)), "an R of small order")
    check(decompress((P + 1).to_bytes(32, "little")) is None, "a point that is encoded twice")
    print("self-test passed")
    return SOUND


def main():
    parser = argparse.ArgumentParser(description="Verify an export of a kora host's event log.")
    parser.add_argument("export", nargs="?", help="the export; `-` reads standard input")
    parser.add_argument("--checkpoint", metavar="FILE", help="signed checkpoints to hold against it")
    parser.add_argument("--key", metavar="VERIFIER_KEY", help="the key that signed them, from elsewhere than the host")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--self-test", action="store_true", help="check this program itself")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if arguments.export is None or (arguments.checkpoint is None) != (arguments.key is None):
        parser.error("expected an export, and `--checkpoint` and `--key` together")
    try:
        note = None
        if arguments.checkpoint is not None:
            with open(arguments.checkpoint, "rb") as file:
                note = file.read()
        with sys.stdin.buffer if arguments.export == "-" else open(arguments.export, "rb") as file:
            code, report = verify(bounded_lines(file), note, arguments.key)
    except Broken as error:
        print(f"broken: {error}", file=sys.stderr)
        return BROKEN
    except (CannotCheck, OSError) as error:
        print(f"could not check: {error}", file=sys.stderr)
        return UNCHECKED
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        show(report)
    return code


def bounded_lines(file):
    """The lines of a file; of one that is too long only as much as shows that it is."""
    while True:
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        rest = line
        while not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


if __name__ == "__main__":
    sys.exit(main())
