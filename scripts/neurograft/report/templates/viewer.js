// The page of one subject's 3-D viewer: controls around NiiVue. The volumes are in `window.subject`.
"use strict";

(() => {
  const PLANES = { "three planes and 3-D": 3, "axial": 0, "coronal": 1, "sagittal": 2, "3-D": 4 };
  const at = id => document.getElementById(id);
  let viewer, image;

  const say = words => { at("message").textContent = words; at("message").hidden = !words; };

  const give_up = words => {
    say(`${words} The figures on the subject's page show the same.`);
    at("controls").hidden = at("stage").hidden = true;
  };

  const make = (tag, inside, fields = {}) => inside.appendChild(Object.assign(document.createElement(tag), fields));

  const unpack = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer;

  const channels = colour => [1, 3, 5].map(from => parseInt(colour.slice(from, from + 2), 16));

  // a colour for each value of an overlay; 0 is transparent
  const colour_table = parts => {
    const colours = parts.map(part => channels(part.colour));
    const column = channel => [0, ...colours.map(colour => colour[channel])];
    return {
      R: column(0), G: column(1), B: column(2), A: [0, ...parts.map(() => 255)], I: [0, ...parts.map((_, i) => i + 1)],
      labels: ["", ...parts.map(part => part.name)] };
  };

  const load = async (file, name) => {
    await viewer.loadFromArrayBuffer(unpack(file), `${name}.nii.gz`);
    return viewer.volumes[viewer.volumes.length - 1];
  };

  // NiiVue sends all volumes to the graphics card at each change; several changes together need it once
  const together = async changes => {
    viewer.updateGLVolume = () => {};
    try { await changes(); } finally { delete viewer.updateGLVolume; }
    viewer.updateGLVolume();
  };

  const put_image = async number => {
    const before = image;
    image = await load(window.subject.images[number].file, `image${number}`);
    viewer.setVolume(image, 0);
    if (before) viewer.removeVolume(before);
  };

  const show_image = async number => {
    const there = [...viewer.scene.crosshairPos];
    await together(() => put_image(number));
    viewer.scene.crosshairPos = there;
    viewer.drawScene();
  };

  const set_opacities = () => {
    for (const overlay of window.subject.overlays) {
      const opacity = overlay.look === "edge" ? 1 : Number(at("opacity").value);
      overlay.volume.opacity = overlay.box.checked ? opacity : 0;
    }
  };

  const paint = () => { set_opacities(); viewer.updateGLVolume(); };

  const choose = (id, names, first, chosen) => {
    names.forEach((name, number) => make("option", at(id), { textContent: name, value: number }));
    at(id).value = first;
    at(id).onchange = () => chosen(Number(at(id).value));
  };

  const list_overlays = () => {
    for (const overlay of window.subject.overlays) {
      const row = make("div", at("overlays")), label = make("label", row);
      overlay.box = make("input", label, { type: "checkbox", checked: overlay.shown, onchange: paint });
      make("span", label, { textContent: overlay.look === "edge" ? `${overlay.name}, outline` : overlay.name });
      for (const part of overlay.parts) {
        const swatch = make("i", row);
        swatch.style.background = part.colour;
        if (part.name !== overlay.name) make("small", row, { textContent: part.name });
      }
    }
  };

  const start = async () => {
    const subject = window.subject;
    viewer = new window.Niivue({
      // as in the figures: the patient's right is on the left, and faces look to the left
      isRadiologicalConvention: true, sagittalNoseLeft: true, backColor: [0, 0, 0, 1], crosshairWidth: 0.8, crosshairWidthUnit: "mm",
      crosshairColor: [0.55, 0.6, 0.65, 1], multiplanarShowRender: 1, multiplanarLayout: 2,
      dragAndDropEnabled: false, loadingText: "", isColorbar: false, logLevel: "silent" });
    await viewer.attachToCanvas(at("canvas"));
    viewer.setSliceType(PLANES["three planes and 3-D"]);
    list_overlays();
    await together(async () => {
      await put_image(subject.first);
      for (const [number, overlay] of subject.overlays.entries()) {
        overlay.volume = await load(overlay.file, `overlay${number}`);
        overlay.volume.setColormapLabel(colour_table(overlay.parts));
      }
      set_opacities();
    });
    viewer.scene.crosshairPos = viewer.mm2frac(subject.start);
    viewer.drawScene();
    choose("image", subject.images.map(each => each.name), subject.first, show_image);
    choose("view", Object.keys(PLANES), 0, number => viewer.setSliceType(Object.values(PLANES)[number]));
    at("opacity").oninput = paint;
    at("opacity").parentNode.hidden = !subject.overlays.some(overlay => overlay.look === "area");
    at("controls").hidden = false;
    say("");
  };

  // NiiVue is loaded when the page stands, so that the application which it comes with does not start
  window.addEventListener("load", () => {
    if (!document.createElement("canvas").getContext("webgl2")) {
      give_up("This browser cannot show the viewer: WebGL 2 is missing or switched off.");
      return;
    }
    const script = make("script", document.body, { src: "niivue.js" });
    script.onerror = () => give_up("The viewer's file niivue.js is missing: copy the whole folder of the report.");
    script.onload = () => start().catch(problem => give_up(`The viewer did not start (${problem.message || problem}).`));
  });
})();
