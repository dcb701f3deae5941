SwaggerUIBundle({ url: "/docs/openapi.json", dom_id: "#reference", deepLinking: true, defaultModelsExpandDepth: 0 });
