export const STYLES = new CSSStyleSheet();
STYLES.replaceSync(`
h3 { outline: 0 }
ol { list-style: none }
svg { display: block; inline-size: 1.25rem }
.help, .meta, code { color: var(--muted); font-size: .8125rem }
.over { color: var(--danger) }
[role=alert] { font-size: .875rem }
.icon { display: grid; place-items: center; inline-size: 2.375rem; aspect-ratio: 1; border-radius: .75rem; background: var(--tint); color: var(--accent) }

button { border-radius: 999px; white-space: nowrap }
button:hover { border-color: color-mix(in oklab, var(--muted) 60%, var(--line)) }
.main { border-color: var(--accent); background: var(--accent); color: var(--surface) }
.danger { border-color: var(--danger); background: var(--danger) }
.main:hover { border-color: var(--text) }
button[aria-disabled=true] { opacity: .6; cursor: default }
:is(button, a, select, input, textarea):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }

header { min-block-size: 2.375rem }

.live:not(:empty) { margin-block-start: .75rem }
.notice { margin-block-start: 1.25rem }

.rows:not(:empty) { margin-block-start: .75rem }
.key { display: grid; grid-template-columns: auto 1fr auto; align-items: start; gap: .875rem; padding-block: .875rem }
.key .buttons button { padding: .25rem .75rem; font-size: .8125rem }
.what > * { display: block }
.what strong { font-weight: 500; text-align: match-parent; line-height: 1.4 }
.meta > span { display: inline-block }
code { font-family: ui-monospace, monospace; font-size: .75rem }

.panel { margin-block: .75rem 1rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: .75rem; background: color-mix(in oklab, var(--muted) 5%, var(--surface)) }
form, .secret { display: grid; gap: 1rem }
:is(form, .secret) > p { max-inline-size: 65ch }
[role=alert]:empty { display: none }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); gap: 1.25rem 2rem }
.field { display: grid; align-content: start; gap: .25rem; min-inline-size: 0; border: 0 }
.field > label, legend { font-size: .875rem; font-weight: 500 }
legend { margin-block-end: .25rem }
.boxes { display: grid; gap: .375rem }
.boxes label { display: flex; gap: .5rem; font-size: .875rem }
.boxes input { flex: none; inline-size: 1rem; block-size: 1rem; margin-block-start: .1875rem; accent-color: var(--accent) }
.field > :is(input, select), textarea { inline-size: 100%; padding: .375rem .75rem; border-color: color-mix(in oklab, var(--muted) 75%, var(--surface)); border-radius: .5rem }
[aria-invalid=true] { outline: 1px solid var(--danger) }
textarea { padding: .625rem .75rem; font-family: ui-monospace, monospace; font-size: .875rem; resize: none; field-sizing: content }

@container (inline-size < 34rem) {
  .panel { padding: 1rem }
  .key { grid-template-columns: auto 1fr }
  .key .buttons { grid-column: 2 }
}
`);
