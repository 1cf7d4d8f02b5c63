"use strict";

// without a validator: that one would be asked of a server elsewhere
SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", validatorUrl: null });
