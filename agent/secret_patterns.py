"""
Recognise secrets by their looks, wherever they stand in a text.

Flow: beside drain, for redact. The forms are those that the issuers document, and that gitleaks looks for too.

Containers choose these texts. A pattern therefore begins where no other start can share its run (a look-behind), and
repeats what is one character wide possessively (`[a-z]++`), which never gives back: no text takes more than linear
time. A group is never repeated possessively: Python 3.11.0 to 3.11.4 match those wrongly (gh-106052). `\u203a` in a
look-behind and the open ends keep a pattern from taking up the remains of what was replaced already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A form of secret that is known by its looks."""

    kind: str
    """Word in the replacement."""
    hints: tuple[str, ...]
    """A text without any of these does not hold the form."""
    pattern: re.Pattern[str]
    """The secret is the group `secret`, or the whole match where there is none."""


def _shape(kind: str, hints: str, pattern: str) -> Shape:
    return Shape(kind=kind, hints=tuple(hints.split()), pattern=re.compile(_START + pattern))


_START: Final = r"(?<![A-Za-z0-9\u203a])"
_B64: Final = r"[A-Za-z0-9+/]"

TOKENS: Final = (
    _shape("jwt", "eyJ", r"eyJ[\w-]{8,}+={0,2}+\.[\w-]{2,}+={0,2}+\.[\w-]*+(?:\.[\w-]++){0,2}={0,2}+"),
    _shape("aws-key", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape(
        "aws-key",
        "AKIA ASIA",
        rf"A[KS]IA[A-Z0-9]{{16}}[:, /]{{1,2}}+(?P<secret>{_B64}{{40}})(?![A-Za-z0-9+/=])",
    ),
    _shape("aws-token", "FwoGZXIvYXdz IQoJb3JpZ2lu", rf"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu){_B64}{{40,}}+=*+"),
    _shape("github", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"(?:gh[pousr]_\w{30,}+|github_pat_\w{22,}+)"),
    _shape(
        "gitlab",
        "glpat- glptt- glrt- gldt- glsoat- glcbt- glft- glimt- glagent- gloas- GR1348941",
        r"(?:gl(?:pat|ptt|rt|dt|soat|cbt|ft|imt|agent|oas)-|GR1348941)[\w.=-]{20,}+",
    ),
    _shape("slack", "xox xapp-", r"(?:xox[a-z](?:\.xox[bp])?|xapp)-[\w-]{10,}+"),
    _shape("slack", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{20,}+)"),
    _shape("discord", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d++/(?P<secret>[\w-]{40,}+)"),
    _shape("telegram", ":AA", r"(?:bot)?(?P<secret>\d{8,10}+:AA[\w-]{32,}+)"),
    _shape("stripe", "k_live_ k_test_ whsec_", r"(?:[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[\w+/=-]{20,}+)"),
    _shape("google", "AIza ya29. GOCSPX-", r"(?:AIza[\w-]{35}+|ya29\.[\w-]{20,}+|GOCSPX-[\w-]{20,}+)"),
    _shape("anthropic", "sk-ant-", r"sk-ant-[\w-]{20,}+"),
    _shape(
        "openai",
        "sk-",
        r"sk-(?:(?:proj|svcacct|admin|or|None)-(?=[\w-]*\d)[\w-]{20,}+|(?=[A-Za-z]*\d)[A-Za-z0-9]{32,}+)",
    ),
    _shape("llm-key", "hf_ gsk_ xai- r8_ pplx-", r"(?:(?:hf|gsk|r8)_|(?:xai|pplx)-)[A-Za-z0-9]{30,}+"),
    _shape("npm", "npm_", r"npm_[A-Za-z0-9]{36,}+"),
    _shape("pypi", "pypi-AgE", r"pypi-AgE[\w-]{40,}+"),
    _shape("package-token", "rubygems_ cio dckr_ oy2 AKCp", r"(?:rubygems_[0-9a-f]{48}|dckr_[op]at_[\w-]{20,}+)"),
    _shape("package-token", "AKCp", r"AKCp[A-Za-z0-9]{60,}+"),
    _shape("sendgrid", "SG.", r"SG\.[\w-]{16,}+\.[\w-]{16,}+"),
    _shape("mailgun", "key-", r"key-[0-9a-f]{32}(?![\w-])"),
    _shape("mailchimp", "-us", r"[0-9a-f]{32}-us\d{1,2}+(?!\w)"),
    _shape("twilio", "SK", r"SK[0-9a-f]{32}(?!\w)"),
    _shape("vault", "hvs. hvb. hvr.", r"hv[sbr]\.[\w-]{20,}+"),
    _shape("terraform", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}+"),
    _shape("digitalocean", "_v1_", r"do[opr]_v1_[0-9a-f]{60,}+"),
    _shape("databricks", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?(?!\w)"),
    _shape("grafana", "glsa_ glc_ eyJrIjoi", r"(?:glsa_\w{30,}+|glc_[\w+/=]{30,}+|eyJrIjoi[\w+/=-]{30,}+)"),
    _shape("shopify", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32,}+"),
    _shape("sentry", "sntrys_ sntryu_", r"sntry[su]_[\w+/=-]{30,}+"),
    _shape("newrelic", "NRAK- NRAL", r"(?:NRAK-[A-Z0-9]{27,}+|[0-9a-f]{36}NRAL)"),
    _shape("atlassian", "ATATT3 ATCTT3", r"AT[AC]TT3[\w=-]{60,}+"),
    _shape("linear", "lin_api_", r"lin_api_[A-Za-z0-9]{40,}+"),
    _shape("doppler", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{2,35}+\.)?[A-Za-z0-9]{40,}+"),
    _shape("tailscale", "tskey-", r"tskey-[a-z]{2,12}+-[\w-]{16,}+"),
    _shape("age", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}+"),
    _shape("swarm", "SWMTKN- SWMKEY-", r"SWM(?:TKN|KEY)-1-[\w+/-]{20,}+"),
    _shape("fly", "fo1_ fm2_", r"(?:fo1_[\w-]{40,}+|fm2_[\w+/=-]{40,}+)"),
    _shape("supabase", "sbp_ sb_secret_", r"(?:sbp_[0-9a-f]{40,}+|sb_secret_[\w-]{20,}+)"),
    _shape("postman", "PMAK-", r"PMAK-[0-9a-f]{20,}+-[0-9a-f]{30,}+"),
    _shape("planetscale", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{30,}+"),
    _shape("pulumi", "pul-", r"pul-[0-9a-f]{40,}+"),
    _shape("notion", "ntn_", r"ntn_[A-Za-z0-9]{40,}+"),
    _shape("figma", "figd_", r"figd_[\w-]{30,}+"),
    _shape("dynatrace", "dt0c01. dt0s", r"dt0[cs]\d\d\.[A-Z0-9]{8,}+\.[A-Z0-9]{40,}+"),
    _shape("square", "sq0", r"sq0(?:atp|csp|idp)-[\w-]{22,}+"),
    _shape("azure", "Q~", r"[\w.~-]{3}\dQ~[\w.~-]{31,}+"),
    _shape("rancher", "token-", r"token-[a-z0-9]{5}:[a-z0-9]{40,}+"),
    _shape("alibaba", "LTAI", r"LTAI[A-Za-z0-9]{12,}+"),
    _shape("bearer", "earer EARER", r"(?i:bearer)[ \t]{1,4}+(?P<secret>[\w.~+/-]{16,}+=*+)"),
    _shape(
        "password",
        "dentified DENTIFIED assword ASSWORD",
        r"(?i:identified(?:[ ]with[ ]\w{1,40}+)?[ ]by[ ]{1,4}+|password\("
        r"|(?:with|encrypted|login|superuser|(?:role|user)[ ][\w\"]{1,64}+)[ ]password[ ]{1,4}+)'(?P<secret>[^']++)'",
    ),
    _shape(
        "signature",
        "sig= Signature=",
        r"(?<=[?&;])(?:sig|(?:X-(?:Amz|Goog)-)?Signature)=(?P<secret>[\w%+/=-]{16,}+)",
    ),
    _shape("password", "racle:thin:", r"oracle:thin:[^/@\s]{1,64}+/(?P<secret>[^@\s]++)@"),
)

# --- keys -----------------------------------------------------------------------------------------------------------

PRIVATE_KEY: Final = "private-key"
PEM_HINT: Final = "PRIVATE KEY"
PEM_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}?PRIVATE KEY(?: BLOCK)?-----")
PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,32}?PRIVATE KEY(?: BLOCK)?-----")

KEYS: Final = (
    # PEM in base64, as a kubeconfig holds it: "-----BEGIN ", and then neither CERTIFICATE nor PUBLIC KEY.
    _shape(PRIVATE_KEY, "LS0tLS1CRUdJTi", r"LS0tLS1CRUdJTi(?!BDRVJU|BQVUJM|BUUlVTVE)[A-Za-z0-9+/]{40,}+=*+"),
    # DER in base64 on one line: PKCS #8 (RSA, EC, Ed25519), PKCS #1, SEC 1.
    _shape(
        PRIVATE_KEY,
        "MII MIG MHc MC4",
        r"(?:MII[A-Za-z0-9+/]{3}IBADANBgkqhkiG9w0BAQEFAASC|MII[A-Za-z0-9+/]{3}IBAAKCA|MIGHAgEAMBMGByqGSM49AgEG"
        r"|MHcCAQEEI|MC4CAQAwBQYDK2VwBCIEI)[A-Za-z0-9+/]{30,}+=*+",
    ),
)

SHAPES: Final = KEYS + TOKENS

# --- addresses ------------------------------------------------------------------------------------------------------

AUTHORITY: Final = re.compile(r"://(?P<authority>[^\s/?#\"'<>\\]++)")
"""What stands between `scheme://` and the path."""

LOOSE_PASSWORD: Final = re.compile(
    r"://[^\s/?#:@\[\"'<>\\\u203a]{0,64}+:(?!\d{1,5}+(?:[/?#,;\s\"']|$))(?P<secret>[^\s@\"'\u203a]++)@"
)
"""A password with a slash in it, which ought to have been percent-encoded."""

TOKEN_AS_USER: Final = re.compile(r"(?=[^0-9]*+[0-9])(?=[^A-Za-z]*+[A-Za-z])[A-Za-z0-9_-]{20,}+")
"""A user name that is a token: `https://TOKEN@host`."""

# --- what is there already ------------------------------------------------------------------------------------------

OPEN: Final = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
CLOSE: Final = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
REPLACEMENT: Final = re.compile(rf"{OPEN}[a-z0-9-]{{1,24}}:[0-9a-f]{{8}}{CLOSE}")
