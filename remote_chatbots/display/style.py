"""How an answer looks. Nothing here depends on the ground being light or dark. Pure.

Text has the colour of its surroundings, which a page that knows its theme has set; `prefers-color-scheme` would be
wrong on a light page of a dark desktop. Lines and grounds are grey that is half seen through.
"""

from remote_chatbots.display.markup import Html

STYLE = Html(
    """
.rcb{color:inherit;font-size:14px;line-height:1.5;max-width:760px;overflow-wrap:anywhere}
.rcb p{margin:.4em 0}
.rcb h1,.rcb h2,.rcb h3,.rcb h4,.rcb h5,.rcb h6{font-size:1.1em;font-weight:600;line-height:1.3;margin:.8em 0 .3em}
.rcb a{color:inherit;text-decoration:underline;text-underline-offset:2px}
.rcb sup{line-height:0}
.rcb a.rcb-cite{text-decoration:none;font-size:.95em;padding:0 1px;font-weight:600}
.rcb a.rcb-cite:hover{text-decoration:underline}
.rcb code,.rcb pre{background:rgba(128,128,128,.16);color:inherit;border-radius:3px;font-size:.92em}
.rcb code{padding:1px 4px}
.rcb pre{padding:8px 10px;overflow-x:auto}
.rcb pre code{background:none;padding:0;font-size:1em}
.rcb table{border-collapse:collapse;margin:.5em 0;width:auto;color:inherit;display:block;overflow-x:auto}
.rcb th,.rcb td{border:1px solid rgba(128,128,128,.45);padding:3px 8px;text-align:left;background:none;color:inherit}
.rcb tr{background:none}
.rcb blockquote{border-left:3px solid rgba(128,128,128,.6);margin:.4em 0;padding:0 0 0 10px}
.rcb blockquote{color:inherit;background:none}
.rcb img,.rcb video,.rcb svg{max-width:100%;height:auto}
.rcb svg{display:block;margin-top:4px;min-width:560px}
.rcb summary{cursor:pointer}
.rcb-note{border-left:3px solid #b87a12;background:rgba(128,128,128,.12);padding:4px 10px}
.rcb p.rcb-failed,.rcb-note.rcb-failed{border-left:3px solid #e0484d;background:rgba(128,128,128,.12);padding:4px 10px}
.rcb-fold{margin:.5em 0}
.rcb-fold>summary,.rcb-head{font-weight:600}
.rcb-fold>div{padding-left:2px;overflow-x:auto}
.rcb ul.rcb-sources{list-style:none;margin:.2em 0;padding:0}
.rcb ul.rcb-sources li{margin:0;padding:1px 4px;border-radius:3px}
.rcb ul.rcb-sources li:target{background:rgba(128,128,128,.22)}
.rcb ul.rcb-sources blockquote{white-space:pre-wrap;margin:2px 0 6px 18px}
.rcb ul.rcb-sources li>div,.rcb ul.rcb-sources summary{padding-left:1.05em;text-indent:-1.05em}
.rcb ul.rcb-sources li>div{text-indent:0}
.rcb-number{font-weight:600}
.rcb-small{font-size:12px;opacity:.82}
"""
)
