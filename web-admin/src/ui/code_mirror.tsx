/* The editor and the comparison of two texts, by CodeMirror. Fetched when a page first shows one: see code_editor.tsx. Tab
 * leaves the editor, as it leaves any other field. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionSource } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json, jsonLanguage } from '@codemirror/lang-json';
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, syntaxHighlighting, syntaxTree } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { MergeView } from '@codemirror/merge';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';
import { styleNonce } from '../app/page_settings';
import type { CodeDiffProps, CodeEditorProps } from './code_editor';
import classes from './code_editor.module.css';

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--weir-code-name)' },
  { tag: tags.string, color: 'var(--weir-code-text)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--weir-code-value)' },
  { tag: tags.punctuation, color: 'var(--weir-muted)' },
]);

const look = EditorView.theme({
  '&': { fontSize: '0.7813rem', backgroundColor: 'transparent', color: 'var(--mantine-color-text)' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.6', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--mantine-color-text)' },
  '.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--weir-muted)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--mantine-color-weir-5) 7%, transparent)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--mantine-color-weir-5) 30%, transparent)' },
  '.cm-tooltip': { border: '1px solid var(--weir-line)', backgroundColor: 'var(--weir-surface)', color: 'var(--mantine-color-text)', borderRadius: '6px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--mantine-color-weir-8)', color: '#fff' },
  '.cm-panels': { backgroundColor: 'var(--weir-canvas)', color: 'var(--mantine-color-text)' },
  '.cm-textfield': { backgroundColor: 'var(--weir-surface)', borderColor: 'var(--weir-line)' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--weir-surface)', borderColor: 'var(--weir-line)' },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--weir-hover)', borderColor: 'var(--weir-line)', color: 'var(--weir-muted)' },
  '.cm-collapsedLines': { backgroundColor: 'var(--weir-hover)', backgroundImage: 'none', color: 'var(--weir-muted)' },
});

const always: Extension[] = [EditorView.cspNonce.of(styleNonce()), look, syntaxHighlighting(colours), json(), EditorView.lineWrapping];

/* Names and words that may stand where the cursor is: what is around it decides. */
function completionOf(suggest: NonNullable<CodeEditorProps['suggest']>): CompletionSource {
  return (context) => {
    const word = context.matchBefore(/"[\w.$-]*/);
    if (!word) return null;
    const node = syntaxTree(context.state).resolveInner(context.pos, -1);
    const quote = context.state.sliceDoc(context.pos, context.pos + 1) === '"';
    const isName = node.name === 'PropertyName' || (node.parent?.name === 'Object' && node.name !== 'String') || node.name === 'Object';
    const options = suggest(isName ? 'name' : 'value').map((one) => ({ label: one.name, detail: one.kind, info: one.about || undefined, apply: quote ? one.name : `${one.name}"` }));
    return options.length > 0 ? { from: word.from + 1, options, validFor: /^[\w.$-]*$/ } : null;
  };
}

export function CodeMirrorEditor({ label, value, onChange, mark, select, suggest, describedBy, short }: CodeEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const attributes = useRef(new Compartment());
  const latest = useRef({ onChange, suggest });
  latest.current = { onChange, suggest };

  useEffect(() => {
    const made = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          ...always,
          lineNumbers(),
          foldGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion(),
          jsonLanguage.data.of({ autocomplete: completionOf((kind) => latest.current.suggest?.(kind) ?? []) }),
          highlightActiveLine(),
          highlightSelectionMatches(),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap]),
          attributes.current.of([]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange?.(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []); // the text of later renders is put in below

  const readOnly = onChange === undefined;
  useEffect(() => {
    view.current?.dispatch({
      effects: attributes.current.reconfigure([
        EditorView.contentAttributes.of({ 'aria-label': label, ...(mark ? { 'aria-invalid': 'true' } : {}), ...(describedBy ? { 'aria-describedby': describedBy } : {}) }),
        EditorState.readOnly.of(readOnly),
      ]),
    });
  }, [label, mark, describedBy, readOnly]);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);

  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const end = editor.state.doc.length;
    const from = Math.min(mark?.from ?? 0, end);
    editor.dispatch(setDiagnostics(editor.state, mark ? [{ from, to: Math.max(from, Math.min(mark.to, end)), severity: 'error', message: mark.message }] : []));
  }, [mark]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || !select) return;
    const end = editor.state.doc.length;
    const anchor = Math.min(select.from, end);
    editor.dispatch({ selection: { anchor, head: Math.min(select.to, end) }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) });
    editor.focus();
  }, [select]);

  return <div ref={place} className={classes.editor} data-short={short} />;
}

export function CodeMirrorDiff({ left, right, leftLabel, rightLabel }: CodeDiffProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const side = (doc: string, label: string) => ({
      doc,
      extensions: [...always, lineNumbers(), EditorState.readOnly.of(true), EditorView.contentAttributes.of({ 'aria-label': label, 'aria-readonly': 'true' })],
    });
    const made = new MergeView({ a: side(left, leftLabel), b: side(right, rightLabel), parent: place.current!, collapseUnchanged: { margin: 3, minSize: 6 }, gutter: true });
    return () => made.destroy();
  }, [left, right, leftLabel, rightLabel]);
  return <div ref={place} className={classes.diff} />;
}
