// All that the console says: each key in English and German. A test makes sure that every key that is used is here, in both.

const LANGUAGES = ["en", "de"];

const WORDS = new Map(`
start|Start|Start
live|Live|Live
try|Try|Testen
people|People|Personen
events|Events|Ereignisse
system|System|System
kiosk|Kiosk|Kiosk
views|Views|Ansichten
skip|Skip to content|Zum Inhalt springen
other_language|Deutsch|English
cancel|Cancel|Abbrechen
saved|Saved|Gespeichert
choose|Choose a file first.|Erst eine Datei wählen.
save|Save|Speichern
delete|Delete|Löschen
back|Back|Zurück
loading|Loading …|Lädt …
more|Show more|Mehr anzeigen
unknown|unknown|unbekannt
not_allowed|Your token does not permit this.|Ihr Token erlaubt das nicht.
offline|The service does not answer. Trying again …|Der Dienst antwortet nicht. Neuer Versuch …
failed|That did not work.|Das hat nicht funktioniert.

signin|Sign in|Anmelden
signout|Sign out|Abmelden
token|Token|Token
signin_hint|Make one on the device, or scan its QR code:|Auf dem Gerät erzeugen, oder den QR-Code scannen:
signed_out|Your session has ended. Sign in again.|Ihre Sitzung ist beendet. Bitte neu anmelden.
wrong_token|This token is not known.|Dieses Token ist unbekannt.

camera|Camera|Kamera
models|Models|Modelle
clock|Clock|Uhr
door|Door|Tür
works|Works|Läuft
fails|Fails|Gestört
off|Off|Aus
ready|Ready|Bereit
starting|Starting|Startet
disabled|Disabled|Abgeschaltet
synchronized|Synchronized|Synchron
unsynchronized|Not synchronized|Nicht synchron
by_browser|{n} s off this browser|{n} s neben diesem Browser
on_demand|Switched on when it is needed|Geht an, wenn sie gebraucht wird
enrolled|enrolled|erfasst
not_kept|Not kept here|Werden hier nicht gespeichert
no_door|No door|Keine Tür
first_steps|First steps|Erste Schritte
step_camera|See the picture|Das Bild sehen
step_camera_text|Plug in a camera. Is a face found?|Kamera anschließen. Wird ein Gesicht gefunden?
step_people|Enroll somebody|Jemanden erfassen
step_people_text|With the camera or a picture.|Mit der Kamera oder einem Bild.
step_people_off|Name a file for people, and restart:|Eine Datei für Personen nennen, neu starten:
step_guard|Let others in, and nobody else|Andere einlassen, und sonst niemanden
step_guard_text|Tokens let other computers in, and commands open the door.|Tokens lassen andere Rechner ein, und Befehle öffnen die Tür.
step_guard_done|Only those with a token come in.|Nur wer ein Token hat, kommt hinein.
open_live|Look|Ansehen
make_token|Make a token|Token erzeugen
door_guide|How to make it a door|So wird daraus eine Tür

picture|Picture|Bild
advice|Advice|Hinweis
quality|Quality|Qualität
good_face|Good. Hold still.|Gut. Bitte stillhalten.
faces|Faces|Gesichter
eye_distance|Eye distance|Augenabstand
brightness|Brightness|Helligkeit
contrast|Contrast|Kontrast
sharpness|Sharpness|Schärfe
turned|Turned|Gedreht
liveness|Liveness|Lebendigkeit
check_live|Check liveness|Lebendigkeit prüfen
check_challenge|With challenge|Mit Aufgabe
check_light|With light|Mit Licht
identify|Who is it?|Wer ist das?
is_live|Live person|Lebende Person
confidence|Spoofing confidence|Fälschungsverdacht
frames|Frames|Bilder
looks|Looks|Aussehen
light|Light|Licht
beside|Surroundings|Umgebung
light_follows|follows|folgt
light_does_not_follow|does not follow|folgt nicht
light_none|no verdict|kein Urteil
parallax|parallax|Parallaxe
no_preview|The preview is switched off (camera.preview).|Die Vorschau ist abgeschaltet (camera.preview).
last_events|Last events|Letzte Ereignisse
open_once|Open once|Einmal öffnen
opened|The lock was opened.|Das Schloss wurde geöffnet.
recognition|Recognition|Erkennung
lock|Lock|Schloss
locked|Shut|Zu
unlocked|Open|Offen
door_needs_token|Opening needs a token.|Öffnen braucht ein Token.
switch_on|Switch on|Einschalten
switch_off|Switch off|Ausschalten
faults|Faults|Störungen
door_idle|Waiting|Wartet
door_looking|Looking for somebody|Sucht jemanden
door_challenge|Challenge|Aufgabe
door_granted|Let in|Eingelassen
door_denied|Refused|Abgewiesen
door_attack|Attack|Angriff
door_cool_down|Let in, still there|Eingelassen, noch da
door_locked_out|Locked after attacks|Nach Angriffen gesperrt

pictures|Pictures|Bilder
clip|Clip|Video
second_picture|Second picture, to compare|Zweites Bild, zum Vergleich
choose_clip|Video or zip archive of pictures|Video oder Zip-Archiv mit Bildern
compare|Same person?|Dieselbe Person?
judge|Live person?|Lebende Person?
score|Score|Wert
curl|The same from a shell|Dasselbe in der Shell
reading|Reading …|Liest …
one_in|One pair of strangers in {n} scores so high.|Eins von {n} Paaren Fremder erreicht so viel.
below_scale|Many strangers score so high.|Viele Fremde erreichen so viel.
scale_label|Score {score} on the scale of false match rates|Wert {score} auf der Skala der Falschtrefferraten
unreadable|This file can't be shown as a picture.|Diese Datei lässt sich nicht als Bild zeigen.
approved|Approved|Bestätigt
operator_required|Somebody has to look|Jemand muss prüfen
declined|Declined|Abgelehnt

search|Search name or id|Name oder ID suchen
new_person|New person|Neue Person
name|Name|Name
id|Id|ID
id_hint|Empty: one is made. Letters, digits, . _ -|Leer: wird erzeugt. Buchstaben, Ziffern, . _ -
groups|Groups|Gruppen
groups_hint|Separated by commas|Durch Kommas getrennt
valid_from|Valid from|Gültig ab
valid_until|Valid until|Gültig bis
expired|Expired|Abgelaufen
not_yet|Not yet valid|Noch nicht gültig
needs_enrollment|Needs enrollment|Muss erfasst werden
valid|Valid|Gültig
nobody_found|Nobody found.|Niemand gefunden.
all_groups|All groups|Alle Gruppen
templates|Templates|Templates
no_templates|None yet: not recognized.|Noch keins: wird nicht erkannt.
source|Source|Quelle
date|Date|Datum
previous_model|of an earlier model|eines früheren Modells
add_camera|Add at the camera|An der Kamera hinzufügen
add_picture|Add from this device|Von diesem Gerät hinzufügen
with_challenge|With challenge (turn the head)|Mit Aufgabe (Kopf drehen)
added|Template {n} of quality {q} was added.|Template {n} mit Qualität {q} hinzugefügt.
belongs|This face is another person's. Add it nevertheless?|Dieses Gesicht gehört jemand anderem. Trotzdem hinzufügen?
force|Add nevertheless|Trotzdem hinzufügen
match|Does this face match?|Passt dieses Gesicht?
export|Export|Exportieren
delete_person|Delete person|Person löschen
delete_text|All templates are erased. Type {word}:|Alle Templates werden gelöscht. {word} eingeben:
deleted|{name} was deleted.|{name} wurde gelöscht.
edit|Details|Angaben
no_name|No name|Ohne Namen
people_off|People are not stored here.|Personen werden hier nicht gespeichert.
delete_template|Delete template {n}|Template {n} löschen
changed_meanwhile|Changed by somebody else; loaded again.|Von jemand anderem geändert; neu geladen.

day|Day|Tag
kind|Kind|Art
all|All|Alle
person|Person|Person
no_events|No events.|Keine Ereignisse.
older|Older|Ältere
picture_of|Picture of this event|Bild zu diesem Ereignis
k_access|Access|Zutritt
k_door|Door|Tür
k_people|People|Personen
k_device|Device|Gerät
e_access.granted|Let in|Eingelassen
e_access.denied|Refused|Abgewiesen
e_access.unknown|Not known|Unbekannt
e_access.attack|Attack|Angriff
e_access.locked_out|Locked|Gesperrt
e_door.opened|Door opened|Tür geöffnet
e_door.closed|Door closed|Tür geschlossen
e_door.held_open|Door held open|Tür steht offen
e_door.forced|Door forced|Tür aufgebrochen
e_door.exit|Exit button|Austaster
e_door.mode|Recognition switched|Erkennung umgeschaltet
e_people.enrolled|Person enrolled|Person erfasst
e_people.changed|Person changed|Person geändert
e_people.deleted|Person deleted|Person gelöscht
e_device.started|Service started|Dienst gestartet
e_device.stopped|Service stopped|Dienst beendet
e_device.fault|Fault|Störung
e_device.recovered|Works again|Läuft wieder

findings|Findings|Befunde
settings|Settings in force|Geltende Einstellungen
setting|Setting|Einstellung
value|Value|Wert
origin|Origin|Herkunft
default|default|Vorgabe
only_changed|Only what is no default|Nur Abweichungen von der Vorgabe
filter|Filter|Filter
tokens|Tokens|Tokens
token_name|Name of the token|Name des Tokens
scopes|What it permits|Was es erlaubt
revoke|Revoke|Widerrufen
revoke_sure|Revoke {name}? Whoever uses it is out at once.|{name} widerrufen? Wer es benutzt, ist sofort draußen.
token_once|Keep it now: it is not shown again.|Jetzt notieren: Es wird nicht wieder angezeigt.
in_settings|in the settings|in den Einstellungen
tokens_off|To make tokens here, name a file for them:|Um Tokens hier zu erzeugen, eine Datei dafür nennen:
tokens_cli|The first token is made on the device:|Das erste Token wird auf dem Gerät erzeugt:
no_tokens|None: everybody may come in.|Keine: Alle dürfen herein.
backup|Backup|Sicherung
backup_text|All people and templates, sealed if there are keys.|Alle Personen und Templates, versiegelt, wenn es Schlüssel gibt.
restore|Restore|Wiederherstellen
replace|Replace people who are there already|Vorhandene Personen ersetzen
restored|{n} imported.|{n} importiert.
restore_text|File of a backup|Datei einer Sicherung
metrics|Figures|Kennzahlen
m_requests|Requests a second|Anfragen je Sekunde
m_workers|Workers busy|Auslastung der Worker
m_frames|Frames a second|Bilder je Sekunde
m_waiting|Jobs that wait|Wartende Aufträge
now|now {n}|jetzt {n}
documents|Documents|Dokumente
guides|Guides and references|Anleitungen und Referenzen
description|API description (OpenAPI)|API-Beschreibung (OpenAPI)

r_no_face|Nobody is there|Niemand da
r_several_people|Only one person, please|Bitte nur eine Person
r_too_small|Come closer|Näher kommen
r_too_dark|Too dark: more light|Zu dunkel: mehr Licht
r_overexposed|Too bright: less light|Zu hell: weniger Licht
r_no_contrast|Too little contrast|Zu wenig Kontrast
r_too_blurred|Blurred: hold still|Unscharf: stillhalten
r_turned_away|Look into the camera|In die Kamera blicken
r_unclear|No face for sure|Kein sicheres Gesicht
r_sunglasses|Take off the sunglasses|Sonnenbrille abnehmen
r_moving|Hold still|Stillhalten
r_fills_picture|Step back a little|Etwas zurücktreten
r_not_upright|Hold the picture upright|Das Bild gerade halten
prompt_look_at_camera|Look at the camera|In die Kamera blicken
prompt_turn_left|Turn your head to the left|Kopf nach links drehen
prompt_turn_right|Turn your head to the right|Kopf nach rechts drehen
prompt_look_up|Raise your head|Kopf heben
prompt_look_down|Lower your head|Kopf senken
prompt_hold_still|Hold still|Stillhalten
prompt_passed|Thank you|Vielen Dank
prompt_failed|That did not work|Das hat nicht geklappt
step_of|Step {n} of {m}|Schritt {n} von {m}

welcome|Step before the camera|Bitte vor die Kamera treten
come_in|Please come in|Bitte eintreten
refused|No access|Kein Zutritt
ask|Please ask at the reception|Bitte am Empfang melden
wait|Please wait|Bitte warten
out_of_order|This device does not work at present|Dieses Gerät ist gerade gestört
closed_now|Recognition is off|Die Erkennung ist aus
not_known|You were not recognized|Sie wurden nicht erkannt
kiosk_signin|This screen is not signed in|Dieser Bildschirm ist nicht angemeldet
x_schedule|Not at this time|Nicht zu dieser Zeit
x_not_valid|Not valid at present|Zurzeit nicht gültig
x_clock|The clock is not set|Die Uhr ist nicht gestellt
x_reentry|You were let in just now|Sie wurden eben eingelassen
x_ambiguous|Not certain who you are|Nicht sicher, wer Sie sind
x_doubtful|Not certain who you are|Nicht sicher, wer Sie sind
x_several_people|One person at a time|Bitte einzeln
x_not_the_claimed|The card is somebody else's|Die Karte gehört jemand anderem
x_credential|The card is not known|Die Karte ist unbekannt
x_too_slow|That took too long|Das hat zu lange gedauert
x_gone|Stay before the camera|Vor der Kamera bleiben
x_gap|Please try again|Bitte noch einmal
x_no_light|Hold still and come closer|Stillhalten und näher kommen
x_unusable|Look into the camera|In die Kamera blicken
x_overloaded|Please try again|Bitte noch einmal
`.trim().split(/\n+/).map((line) => line.split("|")).map(([key, ...words]) => [key, words]));

/** The kinds of events, each as `part.what`. */
export const KINDS = [...WORDS.keys()].filter((key) => key.startsWith("e_")).map((key) => key.slice(2));

let language = (() => {
  const kept = localStorage.getItem("language");
  const wanted = [kept, ...navigator.languages].map((tag) => String(tag).slice(0, 2));
  return wanted.find((tag) => LANGUAGES.includes(tag)) || "en";
})();
document.documentElement.lang = language;

/** The tag of the language in use. */
export const tongue = () => language;

export function speak(tag) {
  language = LANGUAGES.includes(tag) ? tag : "en";
  localStorage.setItem("language", language);
  document.documentElement.lang = language;
}

/** The words of a key, with `{name}` replaced. */
export function t(key, values = {}) {
  const text = WORDS.get(key)?.[LANGUAGES.indexOf(language)] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (name in values ? values[name] : ""));
}

/** The words of a key, or of the other one if there are none. */
export const tOr = (key, other) => (WORDS.has(key) ? t(key) : other);

export function time(text, style = {}) {
  const date = new Date(text);
  return isNaN(date) ? String(text) : date.toLocaleString(language, { dateStyle: "medium", timeStyle: "short", ...style });
}

export const number = (value, digits = 2) => Number(value).toLocaleString(language, { maximumFractionDigits: digits });
