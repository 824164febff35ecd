"""The only place where chance comes from: hashes of (seed, account, kind, n). No state, no entropy of the machine."""

from hashlib import blake2b


class Ids:
    """Names and draws that are the same in every run with the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._root = blake2b(str(seed).encode(), digest_size=16)

    def hex(self, account: str, kind: str, n: int | str) -> str:
        """32 hexadecimal digits for the n-th thing of a kind in an account."""
        digest = self._root.copy()
        digest.update(f"\0{account}\0{kind}\0{n}".encode())
        return digest.hexdigest()

    def uuid(self, account: str, kind: str, n: int | str) -> str:
        """The same as a UUID of version 4's form."""
        h = self.hex(account, kind, n)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"

    def draw(self, account: str, kind: str, n: int | str) -> float:
        """A number in [0, 1)."""
        return int(self.hex(account, kind, n)[:13], 16) / 16**13


def account_id(key: bytes) -> str:
    """The account a key stands for. A one-way hash: the key itself is never stored."""
    return "acct_" + blake2b(key, digest_size=12).hexdigest()
