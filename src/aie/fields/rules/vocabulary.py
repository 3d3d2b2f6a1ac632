"""Words that tell names from other capitalised words, folded; pinned behaviour like any other code of a layer."""

from typing import Final

__all__ = ["AFTER_AND", "GENERATIONS", "GENERIC", "JOINING", "LEGAL", "NEVER", "NO_PERSON", "PLACES", "ROLES"]

_LEGAL: Final = """
    inc incorporated corp corporation llc llp lllp lp ltd limited plc pllc pc na fsb gmbh ag kg kgaa ohg se sa sas sarl
    srl spa bv nv ab oy oyj asa aps pty pte bhd sdn kk company co trust bank partnership cooperative foundation
    association university institute
"""
_NEVER: Final = """
    agreement confidentiality nondisclosure non-disclosure disclosure exhibit dear between by whereas this that these
    title name date dated witness re attn attention subject page section article schedule ex accepted agreed effective
    yours sincerely truly very recitals parties if when upon each such all any no either both as to from with on at
    confidential mutual standstill dba d/b/a fka f/k/a aka a/k/a c/o and or
"""
_NO_PERSON: Final = """
    the of in company companies corporation employee employer executive director directors officer president vice chief
    chairman secretary treasurer manager general counsel senior board committee special human resources signature
    printed print sign signed party recipient provider consultant contractor discloser purchaser seller buyer street
    avenue road suite drive boulevard floor lane way place plaza parkway highway box state states county city
    commonwealth united america republic north south east west new york delaware california massachusetts texas
    pennsylvania florida oregon ohio jersey missouri illinois washington virginia colorado nevada michigan carolina
    wisconsin utah kansas minnesota indiana georgia island rhode hampshire mexico orleans angeles san los francisco
    january february march april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday information evaluation material transaction proprietary business employment
    securities exchange act law laws code commission internal revenue trade secret secrets letter ladies gentlemen
    sir madam mr mrs ms dr financial legal corporate development operations marketing sales managing partner member
    partners holdings group capital services systems technologies technology solutions international global industries
    pharmaceuticals therapeutics laboratories bank trust fund association llc inc corp ltd plc lp llp restrictive
    covenant covenants competition non-competition noncompetition solicitation non-solicitation invention assignment
    employee's company's hereinafter hereafter address telephone fax email
"""
_AFTER_AND: Final = "sons trust partners associates brothers bros daughters loan"
_GENERIC: Final = "company corporation partnership bank trust association foundation university institute limited"
_ROLES: Final = """
    directors director officer partner plan employees employee division subsidiary subsidiaries member members president
    chairman secretary committee holders stockholders shareholders behalf stock shares board affiliate affiliates
    acquisition merger
"""
_PLACES: Final = """
    alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois
    indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana
    nebraska nevada new hampshire jersey mexico york north south carolina dakota ohio oklahoma oregon pennsylvania rhode
    island tennessee texas utah vermont virginia washington west wisconsin wyoming canadian british english irish dutch
    german french swiss swedish public limited private
"""
_JOINING: Final = "of the de la du van von der den for in & - y et und"

LEGAL: Final = frozenset(_LEGAL.split())
"""Last words of a company's name, without dots."""
NEVER: Final = frozenset(_NEVER.split())
"""Words that are no part of a name even when capitalised."""
NO_PERSON: Final = NEVER | frozenset(_NO_PERSON.split())
"""Words that are no part of a person's name."""
AFTER_AND: Final = frozenset(_AFTER_AND.split())
"""Words that make `and` part of a name: `Smith and Sons`, `Deposit and Trust Company`."""
JOINING: Final = frozenset(_JOINING.split())
"""Words in lower case that may stand inside a company's name."""
GENERIC: Final = frozenset(_GENERIC.split())
"""Legal forms that are also words of the language."""
PLACES: Final = frozenset(_PLACES.split())
"""Words that name no company when nothing but a generic legal form follows: `a Delaware Corporation`."""
ROLES: Final = frozenset(_ROLES.split())
"""What stands before `of` and a company without being part of its name: `Board of Directors of …`."""
GENERATIONS: Final = frozenset({"jr", "sr", "ii", "iii", "iv", "md", "phd", "esq"})
"""What may follow a person's name."""
