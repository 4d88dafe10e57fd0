"""What people call their columns and files, in six languages; a name is compared without case, accents and alphabet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

EXACT, GENERAL, PART, COMPOUND = 1.0, 0.95, 0.8, 0.55
"""How well a name fits a known one: the same words; the same, but they may mean other things too ("date", "total");
some of its words; the beginning or end of one long word."""

_LONG = 5  # a shorter word ends too many others: "dato" ends "candidato"
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
    "я": "ya",
}  # fmt: skip

# "=" before a name: it is known as the whole name only. Names are written as `words` gives them.
_CUSTOMER = (
    "customer id", "customer number", "customer no", "customer nr", "customer key", "customer code", "cust id",
    "client id", "client number", "user id", "household id", "household key", "hshd num", "member id", "account id",
    "shopper id", "buyer id", "person id", "contact id", "card id", "loyalty id", "loyalty card", "visitor id",
    "klantnummer", "klantnr", "klant id", "klantcode", "klant nr", "klant nummer", "debiteurnummer", "relatienummer",
    "kundenummer", "kundenr", "kunde id", "kunde nr", "medlemsnummer", "kundennummer", "kundennr", "kunden id",
    "kunden nr", "numero client", "id client", "code client", "no client", "num client", "klient id", "id klienta",
    "kod klienta", "nomer klienta", "id pokupatelya", "nomer pokupatelya", "id polzovatelya", "=customer", "=client",
    "=klant", "=kunde", "=kund", "=klient", "=pokupatel", "=user", "=member", "=household", "=buyer", "=cid",
)  # fmt: skip
_PRODUCT = (
    "product id", "product code", "product number", "product no", "product key", "prod id", "sku", "stock code",
    "item id", "item code", "item number", "item no", "article id", "article number", "article no", "ean", "upc",
    "gtin", "asin", "artikelnummer", "artikelnr", "artikel id", "artikelcode", "productcode", "productnummer",
    "varenummer", "varenr", "vare id", "produkt id", "produktnummer", "produktnr", "code produit", "id produit",
    "reference produit", "code article", "artikul", "id tovara", "kod tovara", "nomer tovara", "=product", "=article",
    "=artikel", "=item", "=vare", "=produkt", "=produit", "=tovar",
)  # fmt: skip
_CHANNEL = ("channel", "kanaal", "kanal", "canal", "sales channel", "verkoopkanaal", "salgskanal", "kanal prodazh")
_DAY = ("=date", "=datum", "=dato", "=data", "=timestamp", "=datetime", "=time", "=day", "=dag", "=tag", "=jour")
_COST = ("cost", "costs", "kosten", "kostprijs", "inkoopprijs", "kostpris", "cout", "sebestoimost", "cogs")
_COUNTRY = ("=country", "country code", "land", "strana", "pays", "landcode")

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customer_id": _CUSTOMER,
    "product_id": _PRODUCT,
    "ordered_at": (
        "ordered at", "order date", "order time", "order datetime", "order timestamp", "invoice date", "purchase date",
        "purchased at", "transaction date", "transaction time", "transaction timestamp", "trans date", "sale date",
        "sales date", "date of purchase", "date of order", "date of sale", "payment date", "receipt date", "order day",
        "=created at", "=paid at", "orderdatum", "besteldatum", "aankoopdatum", "factuurdatum", "verkoopdatum",
        "transactiedatum", "koopdatum", "ordredato", "kobsdato", "salgsdato", "fakturadato", "bestillingsdato",
        "bestelldatum", "kaufdatum", "rechnungsdatum", "auftragsdatum", "verkaufsdatum", "date commande", "date achat",
        "date facture", "date vente", "date de commande", "data zakaza", "data pokupki", "data prodazhi", "data cheka",
        *_DAY,
    ),
    "revenue": (
        "revenue", "sales value", "sales amount", "sale amount", "order value", "order amount", "order total",
        "total amount", "total price", "total sales", "line total", "line amount", "net amount", "net sales",
        "gross amount", "amount paid", "invoice amount", "transaction amount", "transaction value", "dollar value",
        "monetary value", "spend", "turnover", "item total", "grand total", "extended price", "=amount", "=total",
        "=sales", "=value", "=sum", "=paid", "=subtotal", "omzet", "bedrag", "orderbedrag", "totaalbedrag",
        "=totaal", "regelbedrag", "omsaetning", "omsetning", "belob", "ordrebelob", "linjebelob", "i alt", "umsatz",
        "betrag", "gesamtbetrag", "rechnungsbetrag", "bestellwert", "gesamtpreis", "=summe", "montant",
        "chiffre affaires", "montant total", "prix total", "summa", "vyruchka", "summa zakaza", "summa pokupki",
        "oborot", "=itogo", "stoimost zakaza",
    ),
    "price": (
        "price", "unit price", "price per unit", "item price", "selling price", "sales price", "prijs", "stukprijs",
        "eenheidsprijs", "verkoopprijs", "pris", "stykpris", "enhedspris", "preis", "stuckpreis", "einzelpreis",
        "verkaufspreis", "prix", "prix unitaire", "tsena", "cena", "tsena za edinitsu",
    ),
    "order_id": (
        "order id", "order number", "order no", "order nr", "order key", "invoice id", "invoice no", "invoice number",
        "basket id", "basket num", "basket key", "transaction id", "transaction no", "trans id", "receipt id",
        "receipt no", "receipt number", "ticket id", "bon id", "=invoice", "=order", "=basket", "=receipt",
        "ordernummer", "ordernr", "bestelnummer", "bestelnr", "factuurnummer", "factuurnr", "bonnummer", "kassabon",
        "ordrenummer", "ordrenr", "ordre id", "fakturanummer", "fakturanr", "bestellnummer", "bestellnr",
        "bestellung id", "auftragsnummer", "rechnungsnummer", "rechnungsnr", "belegnummer", "numero commande",
        "id commande", "no commande", "num commande", "numero facture", "nomer zakaza", "id zakaza", "nomer cheka",
        "=zakaz", "=chek", "=ordre", "=commande",
    ),
    "quantity": (
        "quantity", "qty", "units", "pieces", "unit count", "item count", "aantal", "antal", "menge", "anzahl",
        "stuckzahl", "quantite", "qte", "kolichestvo", "kol vo", "kolvo",
    ),
    "cost": _COST,
    "margin": ("margin", "profit", "gross profit", "gross margin", "marge", "winst", "avance", "fortjeneste", "gewinn",
               "benefice", "pribyl"),
    "discount": ("discount", "discount amount", "discount value", "korting", "kortingsbedrag", "rabat", "rabatt",
                 "remise", "reduction", "skidka", "retail disc"),
    "coupon": ("coupon disc", "coupon amount", "coupon discount", "coupon value", "voucher amount", "voucher discount"),
    "channel": _CHANNEL,
    "store_id": ("store id", "store number", "store no", "store code", "shop id", "branch id", "outlet id", "=store",
                 "=shop", "=branch", "filiaal", "winkel", "winkelnummer", "winkelnr", "filiaalnummer", "butik",
                 "butiksnummer", "filiale", "filialnummer", "magasin", "code magasin", "magazin", "nomer magazina"),
    "category": ("category", "product category", "product group", "categorie", "productgroep", "artikelgroep",
                 "kategori", "varegruppe", "kategorie", "warengruppe", "produktgruppe", "categorie produit",
                 "kategoriya", "gruppa tovarov"),
    "department": ("department", "afdeling", "abteilung", "rayon", "otdel"),
    "brand": ("brand", "merk", "maerke", "varemaerke", "marke", "marque", "brend"),
    "unit_cost": ("unit cost", "cost price", "purchase price", *_COST),
    "margin_rate": ("margin rate", "margin percent", "margin pct"),
    "occurred_at": ("occurred at", "event time", "event date", "event timestamp", "event datetime", "happened at",
                    "=created at", "contact date", "contacted at", "call date", "visit date", "session start",
                    "ticket date", "contactdatum", "kontaktdato", "kontaktdatum", "gebeurtenisdatum",
                    "tidspunkt", "zeitpunkt", "date contact", "data sobytiya", "vremya sobytiya", *_DAY),
    "event_type": ("event type", "event name", "event category", "=event", "=action", "activity type", "=activity",
                   "=type", "gebeurtenis", "haendelse", "ereignis", "evenement", "tip sobytiya", "sobytie"),
    "device": ("device", "device type", "device category", "apparaat", "enhed", "gerat", "appareil", "ustroystvo"),
    "referrer": ("referrer", "referer", "traffic source", "utm source", "=source"),
    "value": ("event value", "=value"),
    "effort": ("effort", "effort score", "customer effort", "ces", "inspanning", "indsats", "aufwand"),
    "reason": ("reason", "contact reason", "reason code", "topic", "subject", "reden", "arsag", "grund", "motif",
               "prichina"),
    "campaign_id": ("campaign id", "campaign code", "campaign name", "campaign", "campagne", "campagne id", "kampagne",
                    "kampagne id", "kampaniya", "mailing id"),
    "sent_at": ("sent at", "sent date", "date sent", "send date", "sent on", "mailing date", "mail date",
                "contacted at", "start date", "verzenddatum", "verzonden op", "sendt dato", "afsendelsesdato",
                "versanddatum", "gesendet am", "date envoi", "data otpravki", *_DAY),
    "is_control": ("is control", "control group", "in control", "=control", "controlegroep", "kontrolgruppe",
                   "kontrollgruppe", "groupe temoin", "kontrolnaya gruppa"),
    "responded_at": ("responded at", "response date", "responded on", "response time", "converted at", "reactiedatum",
                     "svardato", "antwortdatum", "date reponse", "data otveta"),
    "question": ("question", "question id", "question code", "survey item", "=item", "vraag", "sporgsmal", "frage",
                 "vopros"),
    "answer": ("answer", "=response", "=score", "=rating", "antwoord", "svar", "antwort", "reponse", "otvet"),
    "answered_at": ("answered at", "answer date", "survey date", "response date", "antwoorddatum", "svardato", *_DAY),
    "topic": ("topic", "theme", "onderwerp", "emne", "thema", "tema"),
    "place": ("=place", "postcode", "postal code", "zip", "zip code", "postnummer", "plz"),
    "density": ("density", "population density", "dichtheid", "taethed", "dichte", "densite"),
    "climate": ("climate", "klimaat", "klima", "climat", "klimat"),
    "age": ("=age", "age years", "customer age", "age group", "age band", "leeftijd", "alder", "=alter", "vozrast"),
    "birth_date": ("birth date", "date of birth", "birthday", "dob", "birthdate", "geboortedatum", "fodselsdato",
                   "fodselsdag", "geburtsdatum", "geburtstag", "date naissance", "date de naissance",
                   "data rozhdeniya"),
    "birth_year": ("birth year", "year birth", "year of birth", "birthyear", "geboortejaar", "fodselsar",
                   "geburtsjahr", "annee naissance", "god rozhdeniya"),
    "gender": ("gender", "sex", "geslacht", "kon", "geschlecht", "sexe", "genre", "=pol"),
    "education": ("education", "education level", "opleiding", "opleidingsniveau", "uddannelse", "bildung",
                  "ausbildung", "obrazovanie"),
    "occupation": ("occupation", "profession", "job title", "=job", "beroep", "erhverv", "stilling", "beruf",
                   "professiya"),
    "income": ("income", "annual income", "yearly income", "household income", "inkomen", "indkomst", "einkommen",
               "revenu annuel", "dokhod"),
    "household_size": ("household size", "family size", "gezinsgrootte", "husstandsstorrelse", "haushaltsgrosse"),
    "children": ("children", "number of children", "kids", "kids count", "n children", "kinderen", "aantal kinderen",
                 "born", "antal born", "kinder", "anzahl kinder", "enfants", "deti",
                 "kid home", "teen home", "kids home", "teens home"),
    "marital_status": ("marital status", "burgerlijke staat", "civilstand", "familienstand", "etat civil",
                       "semeynoe polozhenie"),
    "household_comp": ("household comp", "household composition", "household type"),
    "home_ownership": ("home ownership", "home owner", "homeowner", "koopwoning"),
    "country": _COUNTRY,
    "region": ("=region", "region name", "province", "=state", "regio", "provincie", "bundesland", "landsdel",
               "oblast"),
    "postcode": ("postcode", "post code", "postal code", "zip", "zip code", "zipcode", "postnummer", "postnr", "plz",
                 "postleitzahl", "code postal", "pochtovyy indeks", "=indeks"),
    "signed_up_at": ("signed up at", "sign up date", "signup date", "registration date", "registered at", "join date",
                     "joined at", "customer since", "enrolled at", "enrollment date", "dt customer", "member since",
                     "=created at", "klant sinds", "inschrijfdatum", "registratiedatum", "oprettet", "oprettelsesdato",
                     "kunde seit", "anmeldedatum", "registrierungsdatum", "date inscription", "data registratsii"),
    "acquisition_channel": ("acquisition channel", "acquisition source", "signup channel", "signup source"),
    "email_opt_in": ("email opt in", "opt in", "newsletter", "email consent", "nieuwsbrief", "nyhedsbrev"),
    "followers": ("followers", "follower count", "volgers", "folgere"),
}  # fmt: skip
"""Column of patronage → what people call it. ``price`` and ``birth_year`` are steps towards revenue and birth_date."""

FILES: Mapping[str, tuple[str, ...]] = {
    "transactions": ("transactions", "transaction", "orders", "order", "sales", "sale", "purchases", "invoices",
                     "order lines", "orderlines", "order items", "receipts", "retail", "bestellingen", "verkopen",
                     "transacties", "orderregels", "aankopen", "ordrer", "salg", "kob", "transaktioner",
                     "bestellungen", "verkaufe", "umsatze", "transaktionen", "commandes", "ventes", "achats",
                     "zakazy", "prodazhi", "pokupki"),
    "customers": ("customers", "customer", "clients", "client", "users", "members", "demographics", "households",
                  "klanten", "klant", "kunder", "kunde", "kunden", "klienty", "pokupateli"),
    "products": ("products", "product", "items", "articles", "catalogue", "catalog", "producten", "artikelen",
                 "produkter", "varer", "produkte", "artikel", "produits", "articles", "tovary"),
    "events": ("events", "event", "visits", "clicks", "sessions", "web", "bezoeken", "haendelser", "ereignisse",
               "evenements", "sobytiya"),
    "contacts": ("contacts", "contact", "tickets", "calls", "complaints", "service", "klachten", "henvendelser",
                 "anfragen", "obrashcheniya"),
    "campaigns": ("campaigns", "campaign", "mailings", "campagnes", "kampagner", "kampagnen", "kampanii"),
    "answers": ("answers", "survey", "responses", "questionnaire", "antwoorden", "enquete", "svar", "umfrage",
                "antworten", "otvety", "opros"),
    "places": ("places", "postcodes", "neighbourhoods", "regions", "plaatsen", "steder", "orte"),
}  # fmt: skip
"""Canonical table → what people call its file."""

APART = frozenset((
    "return", "returns", "returned", "refund", "refunds", "cancel", "cancelled", "canceled", "cancellations",
    "retour", "retouren", "retours", "retur", "returer", "erstattungen", "storno", "stornos", "annulations",
    "vozvrat", "vozvraty", "backup", "bak", "copy", "kopie", "kopi", "copie", "kopiya",
))  # fmt: skip
"""Words in a file's name that say that its rows are no further sales: taken back, or there already."""

SHARES = frozenset(("percent", "percentage", "pct", "perc", "rate", "prozent", "procent", "pourcentage", "protsent"))
"""Words that say that a column's numbers are shares."""

UNIT_COSTS = ("cost price", "purchase price", "kostprijs", "inkoopprijs", "kostpris")
"""Costs of one piece whose name does not say "unit"."""

PERSONAL = (
    "name", "first name", "last name", "surname", "full name", "email", "mail", "e mail", "phone", "telephone",
    "mobile", "address", "street", "iban", "naam", "voornaam", "achternaam", "telefoon", "adres", "straat", "navn",
    "fornavn", "efternavn", "telefon", "adresse", "vorname", "nachname", "strasse", "nom", "prenom", "imya",
    "familiya", "adres", "ip address",
)  # fmt: skip
"""Names of columns that tell who somebody is: they form no segments."""

RESULTS = (
    "=response", "=responded", "churn", "churned", "=exited", "=attrition", "=target", "=label", "=converted",
    "=conversion", "=segment", "=cluster", "=y",
)  # fmt: skip
"""Names of columns that hold a result: what segments should tell, not what they are made of."""

CODES = (
    "channel", "region", "type", "code", "segment", "group", "class", "cluster", "category", "status", "zone", "area",
    "district", "branch", "kind", "plan", "tier", "regio", "kanaal", "kanal", "soort", "groep", "art", "gruppe",
    "klasse", "kategorie", "tip", "gruppa", "marital", "gender", "sex", "country", "state", "city", "store",
    "id", "no", "nr",
)  # fmt: skip
"""Words that say that a column's whole numbers are codes."""


def words(name: str) -> tuple[str, ...]:
    """A name's words in lower-case Latin letters, however they are joined.

    >>> words("InvoiceDate"), words("Køb_dato"), words("Сумма заказа")
    (('invoice', 'date'), ('kob', 'dato'), ('summa', 'zakaza'))
    """
    apart = re.sub(r"(?<=[a-zа-яø-ÿ0-9])(?=[A-ZА-ЯÆØÅ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    plain = apart.lower().replace("æ", "ae").replace("ø", "o").replace("ß", "ss")
    plain = "".join(_CYRILLIC.get(sign, sign) for sign in plain)
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(sign))
    return tuple(re.findall(r"[^\W_]+", plain))


@cache
def fit(name: str, known: tuple[str, ...]) -> float:
    """How well a name fits the known ones: `EXACT`, `GENERAL`, at most `PART`, `COMPOUND`, or 0 for not at all."""
    given = words(name)
    joined = "".join(given)
    best = 0.0
    for one in known:
        parts = one.lstrip("=").split()
        if joined == "".join(parts):
            best = max(best, GENERAL if one.startswith("=") else EXACT)
        if one.startswith("="):
            continue
        if set(parts) <= set(given):
            # Of "total price" and "price" the longer one says more.
            best = max(best, PART - 0.2 * (1 - len(parts) / len(given)))
        elif (
            len(parts) == 1
            and len(one) >= _LONG
            and any({part[: len(one)], part[-len(one) :]} & {one} for part in given)
        ):
            best = max(best, COMPOUND)
    return best
