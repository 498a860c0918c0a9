// Starts `asrppl lsp` and hands it to VS Code. Colours come without it, so a machine that has no asrppl still has those.
const { window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = async function () {
  const [command, ...args] = workspace.getConfiguration("asrppl").get("command");
  client = new LanguageClient(
    "asrppl",
    "asr rules",
    { command, args },
    { documentSelector: [{ scheme: "file", language: "asr" }, { scheme: "untitled", language: "asr" }] },
  );
  try {
    await client.start();
  } catch (error) {
    window.showWarningMessage(
      `asrppl's language server did not start (${error.message}). Install it with pip install 'asrppl[lsp]', ` +
        `and set "asrppl.command" if "${command}" is not on the PATH.`,
    );
  }
};

exports.deactivate = () => client?.stop();
