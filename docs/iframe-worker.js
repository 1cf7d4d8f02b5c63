// Search in a site that is opened from a folder: there a browser starts no workers. A hidden frame does their work.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<body>";
      this.scope = new Promise((resolve, reject) => {
        frame.addEventListener("load", () => {
          const scope = frame.contentWindow;
          const load = (source) => new Promise((loaded, failed) => {
            const script = scope.document.createElement("script");
            script.addEventListener("load", loaded);
            script.addEventListener("error", () => failed(new Error(`${source} cannot be loaded`)));
            script.src = source;
            scope.document.body.append(script);
          });
          scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          scope.importScripts = async (...sources) => { for (const source of sources) await load(source); };
          load(address).then(() => resolve(scope), reject);
        });
      });
      document.body.append(frame);
    }

    async postMessage(data) {
      const scope = await this.scope;
      scope.dispatchEvent(new scope.MessageEvent("message", { data }));
    }
  };
  window.IFrameWorker = window.Worker; // the theme's worker looks for this name, to find its scripts
}
