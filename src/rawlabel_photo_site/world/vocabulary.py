"""Words of the captions. `{word}` is the keyword, `{subject}` the drawn subject, `{number}` any number."""

from __future__ import annotations

ABOUT = (
    "{word}", "{word}", "My {word}", "Another {word}", "{word}, this afternoon", "{word} close up",
    "Study of {word}", "Little {word}", "{word} again", "Just {word}", "{word} by the window",
    "{word} after the rain", "{word} for Friday", "{word} (old lens)", "Hello {word}", "{word} - take {number}",
    "{word}, Lisbon", "{word} in soft light", "The {word} I promised", "{word}!", "Found: {word}",
    "{word} #{number}", "first try at {word}", "Yet more {word}", "{word} from last week",
    "{word} on the kitchen table",
)  # fmt: skip
WITH_SUBJECT = (
    "{word} the {subject}", "{word}, our {subject}", "The {subject} called {word}", "{subject} '{word}'",
    "{word} ({subject})", "Old {subject}, {word}", "{subject} {word} in the evening",
)  # fmt: skip
PLAIN = (
    "IMG_{number}", "DSC0{number}", "P10{number}", "Untitled", "Afternoon", "Test shot", "Saturday walk",
    "Evening light", "From the archive", "Day {number}/365", "Experiment", "Quiet corner", "scan{number}",
    "Before dinner",
)  # fmt: skip
BOTH = ("{word} or {other}?", "{word} and {other}", "{other} ... or {word}", "{word} / {other}")
SENTENCES_ABOUT = (
    "I have always liked {word}.", "This is {word} as I found it.", "{word}, taken without flash.",
    "People keep asking me about {word}, so here it is.", "From my series on {word}.", "More {word} in the album.",
    "Does anybody else collect {word}?", "Shot for the group {word} weekly.",
)  # fmt: skip
SENTENCES = (
    "Taken with the old lens.", "Straight out of the camera.", "Handheld, bad light.", "Comments welcome.",
    "Scanned from a print.", "Best seen large.", "No filter, only cropped.", "Thanks for looking!",
    'More on <a href="https://example.org/">my page</a>.', "Please do not use without asking me.",
    "The weather was awful that day.", "Testing a new tripod.", "Shared with friends & family.",
)  # fmt: skip
TAGS = (
    "canon", "nikon", "fuji", "50mm", "macro", "bokeh", "light", "shadow", "color", "colour", "indoor", "outdoor",
    "travel", "weekend", "hobby", "detail", "texture", "minimal", "handheld", "closeup", "europe", "home",
    "project365", "iphone", "film", "analog", "explore", "flickr", "foto", "photography", "still life", "morning",
    "summer", "winter",
)  # fmt: skip
HOSTILE = (
    '<script>alert("{word}")</script>',
    '=HYPERLINK("http://example.invalid/?{word}","{word}")',
    "{long}",
    "🌻🎉 {word} 👩‍👩‍👧‍👦 ✨",
    "\u202e{word} שלום مرحبا\u202c",
    "{word}\nsecond row\r\n\tthird row",
    '{word}"><img src=x onerror=alert(document.domain)>',
    "../../../{word}\\..\\con.jpg",
    "{{{{ 7 * 7 }}}} {word} ${{jndi:ldap}} %s %n",
    "@SUM(1+1)*cmd|' /C calc'!A0 {word}",
)
"""Titles that break careless pages, tables, file names and terminals."""
